//! Rows of features: a dense block (an embedding, surface features) beside a sparse
//! one (terms).

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, s};

/// Weights, scores and gradients are made here and in `logistic_regression.rs`, each in one piece, row by row.
const IN_ROWS: &str = "matrices lie in memory row by row";

/// Rows of features.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    dense: Array2<f32>,
    /// Where each row's sparse block begins, and where the last one ends (compressed sparse rows).
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
    /// Columns of the sparse block.
    width: usize,
}

impl Rows {
    /// Rows with this dense block, and a sparse one of `width` columns that [`Rows::push`] fills.
    #[must_use]
    pub fn new(dense: Array2<f32>, width: usize) -> Self {
        Self {
            dense,
            starts: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
            width,
        }
    }

    /// Adds the next row's terms; must be called once a row.
    pub fn push(&mut self, terms: &[(u32, f32)]) {
        self.columns.extend(terms.iter().map(|term| term.0));
        self.values.extend(terms.iter().map(|term| term.1));
        self.starts.push(self.columns.len());
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dense.nrows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Features of a row.
    #[must_use]
    pub fn features(&self) -> usize {
        self.dense.ncols() + self.width
    }

    fn terms(&self, row: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let range = self.starts[row]..self.starts[row + 1];
        let columns = self.columns[range.clone()].iter();
        columns
            .zip(&self.values[range])
            .map(|(&column, &value)| (column as usize, value))
    }

    /// The rows `from..to` times `weights` (features by outputs), plus `bias`.
    pub(super) fn times(
        &self,
        from: usize,
        to: usize,
        weights: ArrayView2<'_, f32>,
        bias: ArrayView1<'_, f32>,
    ) -> Array2<f32> {
        let d = self.dense.ncols();
        let mut out = self
            .dense
            .slice(s![from..to, ..])
            .dot(&weights.slice(s![..d, ..]));
        let outputs = weights.ncols();
        let flat = weights.to_slice().expect(IN_ROWS);
        for (row, mut scores) in (from..to).zip(out.axis_iter_mut(Axis(0))) {
            scores += &bias;
            let scores = scores.as_slice_mut().expect(IN_ROWS);
            for (column, value) in self.terms(row) {
                add(scores, value, &flat[(d + column) * outputs..][..outputs]);
            }
        }
        out
    }

    /// Adds the transposed rows `from..to` times `errors` to `gradient`.
    pub(super) fn add_transposed(
        &self,
        from: usize,
        errors: &Array2<f32>,
        gradient: &mut ArrayViewMut2<'_, f32>,
        bias: &mut ArrayViewMut1<'_, f32>,
    ) {
        let d = self.dense.ncols();
        let to = from + errors.nrows();
        let block = self.dense.slice(s![from..to, ..]);
        let mut dense = gradient.slice_mut(s![..d, ..]);
        ndarray::linalg::general_mat_mul(1.0, &block.t(), errors, 1.0, &mut dense);
        let outputs = errors.ncols();
        let flat = gradient.as_slice_mut().expect(IN_ROWS);
        for (row, error) in (from..to).zip(errors.outer_iter()) {
            *bias += &error;
            let error = error.to_slice().expect(IN_ROWS);
            for (column, value) in self.terms(row) {
                add(&mut flat[(d + column) * outputs..][..outputs], value, error);
            }
        }
    }

    /// These rows, and below them those of `other`.
    pub(crate) fn above(mut self, other: &Self) -> Self {
        // Both have the same columns: the caller made them with one vocabulary.
        let both = ndarray::concatenate(Axis(0), &[self.dense.view(), other.dense.view()]);
        self.dense = both.expect("rows of one vocabulary");
        for row in 0..other.len() {
            let terms: Vec<(u32, f32)> = other.terms(row).map(|(c, v)| (c as u32, v)).collect();
            self.push(&terms);
        }
        self
    }

    /// These rows only.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut made = Self::new(self.dense.select(Axis(0), rows), self.width);
        for &row in rows {
            let terms: Vec<(u32, f32)> = self.terms(row).map(|(c, v)| (c as u32, v)).collect();
            made.push(&terms);
        }
        made
    }
}

/// Slices and not views: with few labels the bookkeeping of a view costs more than the sum.
fn add(to: &mut [f32], factor: f32, what: &[f32]) {
    to.iter_mut()
        .zip(what)
        .for_each(|(to, x)| *to += factor * x);
}

/// One row times weights: what serving does.
pub(crate) fn one(
    dense: &[f32],
    terms: &[(u32, f32)],
    weights: ArrayView2<'_, f32>,
    bias: ArrayView1<'_, f32>,
) -> Array1<f32> {
    let mut out = bias.to_owned();
    for (at, value) in dense.iter().enumerate() {
        out.scaled_add(*value, &weights.row(at));
    }
    for (column, value) in terms {
        out.scaled_add(*value, &weights.row(dense.len() + *column as usize));
    }
    out
}
