//! What a larger batch does to the gradient and to the rate.

use approx::assert_relative_eq;

use super::{error, row, run};

#[test]
fn noise_halves_when_the_batch_is_four_times_as_large() {
    let output = run("large_batches", "--epochs 1 --runs 1");
    for name in ["at the start", "after 1 epoch", "after 5 epochs"] {
        let noise = row(&output, name);
        assert_eq!(noise.len(), 6, "{output}");
        for pair in noise[..5].windows(2) {
            // Each is the root of a mean over 200 draws.
            assert_relative_eq!(pair[0] / pair[1], 2.0, max_relative = 0.3);
        }
    }
    let scales = ["at the start", "after 5 epochs"].map(|name| row(&output, name)[5]);
    assert!(scales[0] < scales[1], "{output}");
}

#[test]
fn a_large_batch_makes_fewer_steps_at_a_rate_that_is_scaled() {
    let output = run("large_batches", "--epochs 2 --runs 1 --factor 8 --warm-up 1");
    // 1,438 samples make 45 batches of 32 or 6 of 256.
    let numbers = |line: &str| -> Option<Vec<f64>> {
        line.split_whitespace().take(4).map(|word| word.parse().ok()).collect()
    };
    let ways: Vec<_> = output.lines().filter_map(numbers).filter(|row| row.len() == 4).collect();
    let expected = [
        [32.0, 90.0, 0.05, 0.0],
        [256.0, 12.0, 0.05, 0.0],
        [256.0, 12.0, 0.4, 0.0],
        [256.0, 12.0, 0.4, 1.0],
    ];
    assert_eq!(ways, expected);
}

#[test]
fn large_batches_refuses_what_it_cannot_do() {
    for (arguments, message) in [
        ("--factor 0", "must be at least 1"),
        ("--learning-rate 0", "greater than 0"),
        ("--warm-up -1", "0 or greater"),
    ] {
        let line = error("large_batches", arguments, 2);
        assert!(line.starts_with("error: ") && line.contains(message), "{arguments}: {line}");
    }
}
