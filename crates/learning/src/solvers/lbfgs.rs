//! Limited-memory BFGS (Liu and Nocedal, "On the limited memory BFGS method", 1989) with a
//! backtracking line search, for smooth and convex losses. It never looks at the rows, so they may be of
//! any form.

/// Steps that are remembered.
const MEMORY: usize = 5;

/// Whether to go on.
pub type GoOn<'a> = dyn Fn() -> bool + Sync + 'a;

/// Minimizes `loss`, which returns the value at a point and writes the gradient there. `point` is
/// where it begins and, in the end, where it got to. False when it was stopped.
pub(crate) fn minimize(
    point: &mut Vec<f32>,
    rounds: usize,
    tolerance: f64,
    loss: &mut dyn FnMut(&[f32], &mut [f32]) -> f64,
    go_on: &GoOn<'_>,
) -> bool {
    let n = point.len();
    let (mut gradient, mut next_gradient) = (vec![0.0; n], vec![0.0; n]);
    let (mut direction, mut next) = (vec![0.0; n], vec![0.0; n]);
    let mut steps: Vec<(Vec<f32>, Vec<f32>, f64)> = Vec::with_capacity(MEMORY);
    let mut value = loss(point, &mut gradient);
    let first_norm = dot(&gradient, &gradient).sqrt().max(1e-12);
    for _ in 0..rounds {
        if !go_on() {
            return false;
        }
        descent(&gradient, &steps, first_norm, &mut direction);
        let mut slope = dot(&gradient, &direction);
        if slope >= 0.0 || slope.is_nan() {
            steps.clear();
            direction
                .iter_mut()
                .zip(&gradient)
                .for_each(|(d, g)| *d = -g / first_norm as f32);
            slope = dot(&gradient, &direction);
        }
        let mut length = 1.0_f32;
        let mut next_value = f64::INFINITY;
        for _ in 0..20 {
            for ((to, from), d) in next.iter_mut().zip(point.iter()).zip(&direction) {
                *to = from + length * d;
            }
            next_value = loss(&next, &mut next_gradient);
            if next_value <= value + 1e-4 * f64::from(length) * slope {
                break;
            }
            length *= 0.5;
        }
        if next_value >= value || next_value.is_nan() {
            return true;
        }
        remember(&mut steps, point, &next, &gradient, &next_gradient);
        let gained = value - next_value;
        std::mem::swap(point, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = next_value;
        let norm = dot(&gradient, &gradient).sqrt();
        if gained < tolerance * 1e-2 * value.abs().max(1e-9) || norm < tolerance * first_norm {
            return true;
        }
    }
    true
}

/// The two-loop recursion.
fn descent(gradient: &[f32], steps: &[(Vec<f32>, Vec<f32>, f64)], scale: f64, out: &mut [f32]) {
    out.copy_from_slice(gradient);
    let mut alphas = Vec::with_capacity(steps.len());
    for (moved, turned, product) in steps.iter().rev() {
        let alpha = dot(moved, out) / product;
        add(out, -alpha as f32, turned);
        alphas.push(alpha);
    }
    let shrink = match steps.last() {
        Some((_, turned, product)) => product / dot(turned, turned),
        None => 1.0 / scale,
    };
    out.iter_mut().for_each(|x| *x *= shrink as f32);
    for ((moved, turned, product), alpha) in steps.iter().zip(alphas.iter().rev()) {
        let beta = dot(turned, out) / product;
        add(out, (alpha - beta) as f32, moved);
    }
    out.iter_mut().for_each(|x| *x = -*x);
}

fn remember(
    steps: &mut Vec<(Vec<f32>, Vec<f32>, f64)>,
    from: &[f32],
    to: &[f32],
    gradient: &[f32],
    next: &[f32],
) {
    let moved: Vec<f32> = to.iter().zip(from).map(|(a, b)| a - b).collect();
    let turned: Vec<f32> = next.iter().zip(gradient).map(|(a, b)| a - b).collect();
    let product = dot(&moved, &turned);
    if product > 1e-12 {
        if steps.len() == MEMORY {
            steps.remove(0);
        }
        steps.push((moved, turned, product));
    }
}

/// In f64 over blocks, so that millions of small terms do not vanish.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.chunks(1_024)
        .zip(b.chunks(1_024))
        .map(|(a, b)| {
            let mut lanes = [0.0_f32; 8];
            let (whole, rest) = (a.chunks_exact(8), b.chunks_exact(8));
            let tail: f32 = whole
                .remainder()
                .iter()
                .zip(rest.remainder())
                .map(|(x, y)| x * y)
                .sum();
            for (x, y) in whole.zip(rest) {
                for lane in 0..8 {
                    lanes[lane] += x[lane] * y[lane];
                }
            }
            f64::from(lanes.iter().sum::<f32>() + tail)
        })
        .sum()
}

fn add(to: &mut [f32], factor: f32, what: &[f32]) {
    to.iter_mut()
        .zip(what)
        .for_each(|(to, x)| *to += factor * x);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_valley_is_walked_to_its_end() {
        // Rosenbrock's function (1960): its minimum, 0, lies at (1, 1).
        let mut point = vec![-1.2, 1.0];
        let mut loss = |x: &[f32], g: &mut [f32]| {
            let (a, b) = (f64::from(x[0]), f64::from(x[1]));
            g[0] = (-2.0 * (1.0 - a) - 400.0 * a * (b - a * a)) as f32;
            g[1] = (200.0 * (b - a * a)) as f32;
            (1.0 - a).powi(2) + 100.0 * (b - a * a).powi(2)
        };
        assert!(minimize(&mut point, 200, 1e-7, &mut loss, &|| true));
        assert!(
            (point[0] - 1.0).abs() < 0.01 && (point[1] - 1.0).abs() < 0.02,
            "{point:?}"
        );
        assert!(
            !minimize(&mut vec![3.0, 3.0], 9, 1e-7, &mut loss, &|| false),
            "stopped"
        );
    }
}
