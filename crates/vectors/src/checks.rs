//! What is checked of every call before any engine or server sees it, the same for each store.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::VectorError;
use crate::port::{Hit, MAX_LIMIT, Point, Result, Space, SparseVector};

/// The most numbers a dense vector may have.
const MAX_DIMENSIONS: usize = 4_096;
/// The longest name of a space, in characters.
const MAX_NAME: usize = 64;

/// Checks name and dimensions of a space. The name becomes a folder and a collection's name.
pub(crate) fn space(space: &Space) -> Result<()> {
    let name_ok = !space.name.is_empty()
        && space.name.len() <= MAX_NAME
        && space
            .name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !name_ok {
        return invalid(format!(
            "a vector space is named with 1 to {MAX_NAME} of a-z, 0-9 and '-', not {:?}",
            space.name
        ));
    }
    if !(1..=MAX_DIMENSIONS).contains(&space.dimensions) {
        return invalid(format!(
            "a vector space has 1 to {MAX_DIMENSIONS} dimensions, not {}",
            space.dimensions
        ));
    }
    Ok(())
}

/// Checks a dense vector against its space.
pub(crate) fn dense(space: &Space, vector: &[f32]) -> Result<()> {
    if vector.len() != space.dimensions {
        return invalid(format!(
            "the vector has {} dimensions, the space {} has {}",
            vector.len(),
            space.name,
            space.dimensions
        ));
    }
    if !vector.iter().all(|value| value.is_finite()) {
        return invalid("the vector has a value that is not finite".to_owned());
    }
    Ok(())
}

/// Whether a dense vector has no direction, so that nothing is near it.
pub(crate) fn is_zero(vector: &[f32]) -> bool {
    vector.iter().all(|value| *value == 0.0)
}

/// Checks a sparse vector and puts its words into ascending order.
pub(crate) fn sparse(vector: SparseVector) -> Result<SparseVector> {
    if vector.indices.len() != vector.values.len() {
        return invalid(format!(
            "the sparse vector has {} indices but {} values",
            vector.indices.len(),
            vector.values.len()
        ));
    }
    if !vector.values.iter().all(|value| value.is_finite()) {
        return invalid("the sparse vector has a value that is not finite".to_owned());
    }
    let mut words: Vec<(u32, f32)> = vector.indices.into_iter().zip(vector.values).collect();
    words.sort_unstable_by_key(|(index, _)| *index);
    if let Some(pair) = words.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return invalid(format!("the sparse vector has index {} twice", pair[0].0));
    }
    let (indices, values) = words.into_iter().unzip();
    Ok(SparseVector { indices, values })
}

/// Checks all points of a write; of the same id only the last one stays.
pub(crate) fn points(space: &Space, points: Vec<Point>) -> Result<Vec<Point>> {
    let mut place: HashMap<u64, usize> = HashMap::with_capacity(points.len());
    let mut checked: Vec<Point> = Vec::with_capacity(points.len());
    for point in points {
        dense(space, &point.dense)?;
        let point = Point {
            sparse: sparse(point.sparse)?,
            ..point
        };
        match place.get(&point.id) {
            Some(&at) => checked[at] = point,
            None => {
                place.insert(point.id, checked.len());
                checked.push(point);
            }
        }
    }
    Ok(checked)
}

/// Checks the number of hits asked for.
pub(crate) fn limit(limit: usize) -> Result<()> {
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(());
    }
    invalid(format!(
        "a search returns 1 to {MAX_LIMIT} hits, not {limit}"
    ))
}

/// Best first, equal scores by id: engines leave the order of equals open.
pub(crate) fn order(hits: &mut [Hit]) {
    hits.sort_unstable_by(|a, b| match b.score.total_cmp(&a.score) {
        Ordering::Equal => a.id.cmp(&b.id),
        other => other,
    });
}

fn invalid<T>(message: String) -> Result<T> {
    Err(VectorError::InvalidArgument(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Space {
        Space {
            name: "small".to_owned(),
            dimensions: 2,
        }
    }

    fn point(id: u64, x: f32) -> Point {
        Point {
            id,
            dense: vec![x, 0.0],
            sparse: SparseVector::default(),
        }
    }

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        for name in ["", "..", "a/b", "Upper", "a_b", "a.new", &"a".repeat(65)] {
            let refused = space(&Space {
                name: name.to_owned(),
                dimensions: 2,
            });
            assert!(
                matches!(refused, Err(VectorError::InvalidArgument(_))),
                "{name}"
            );
        }
        assert!(
            space(&Space {
                name: "minilm-l6-v2-int8".to_owned(),
                dimensions: 384
            })
            .is_ok()
        );
        assert!(
            space(&Space {
                name: "a".to_owned(),
                dimensions: 0
            })
            .is_err()
        );
        assert!(
            space(&Space {
                name: "a".to_owned(),
                dimensions: 4_097
            })
            .is_err()
        );
    }

    #[test]
    fn words_come_out_in_order_and_only_once() {
        let sorted = sparse(SparseVector {
            indices: vec![9, 2],
            values: vec![1.0, 2.0],
        })
        .unwrap();
        assert_eq!(
            sorted,
            SparseVector {
                indices: vec![2, 9],
                values: vec![2.0, 1.0]
            }
        );
        assert!(
            sparse(SparseVector {
                indices: vec![2, 2],
                values: vec![1.0, 2.0]
            })
            .is_err()
        );
        assert!(
            sparse(SparseVector {
                indices: vec![2],
                values: vec![]
            })
            .is_err()
        );
        assert!(
            sparse(SparseVector {
                indices: vec![2],
                values: vec![f32::NAN]
            })
            .is_err()
        );
        assert!(sparse(SparseVector::default()).unwrap().indices.is_empty());
    }

    #[test]
    fn the_last_point_of_an_id_counts() {
        let kept = points(&small(), vec![point(1, 1.0), point(2, 2.0), point(1, 3.0)]).unwrap();
        assert_eq!(kept, vec![point(1, 3.0), point(2, 2.0)]);
        assert!(points(&small(), vec![point(1, f32::INFINITY)]).is_err());
    }

    #[test]
    fn equal_scores_are_ordered_by_id() {
        let hit = |id, score| Hit { id, score };
        let mut hits = [hit(7, 0.5), hit(3, 0.5), hit(9, 0.9), hit(1, -0.5)];
        order(&mut hits);
        assert_eq!(hits.map(|hit| hit.id), [9, 3, 7, 1]);
    }
}
