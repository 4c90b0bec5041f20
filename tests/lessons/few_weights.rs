//! The lessons of one weight, of overfitting, of doubt and of decisions.

use super::{between, error, row, run};

#[test]
fn the_distance_from_the_minimum_is_multiplied_by_one_number() {
    let output = run("parabola", "--learning-rate 0.2,0.9,1.05 --steps 3");
    let steps: Vec<Vec<f64>> = output
        .lines()
        .map(|line| line.split_whitespace().filter_map(|word| word.parse().ok()).collect())
        .filter(|row: &Vec<f64>| row.len() == 4)
        .collect();
    let (first, last) = (&steps[0], steps.last().unwrap());
    assert_eq!((first[0], last[0]), (0.0, 3.0));
    for (run, factor) in [(1, 0.6_f64), (2, -0.8), (3, -1.1)] {
        assert_eq!(first[run], 0.0);
        assert!((last[run] - (3.0 - 3.0 * factor.powi(3))).abs() < 1e-6, "{output}");
    }
    assert!(output.contains("rate 1.05: each step ends farther away"));
    assert!(output.ends_with("The limit is 2 ÷ λ = 1.\n"));
    assert_eq!(
        error("parabola", "--learning-rate 1,2,3,4,5", 1),
        "error: 5 rates do not fit beside each other; give up to 4\n"
    );
}

#[test]
fn the_parabolas_words_say_what_its_columns_do_with_and_without_momentum() {
    for momentum in [0.0, 0.5, 0.9] {
        let bound = 2.0 * (1.0 + momentum) / 2.0;
        let rates = [0.05, 0.9, 1.0, 1.05].map(|share: f64| (1e4 * share * bound).round() / 1e4);
        let [creeps, near, at, above] = rates;
        let output = run(
            "parabola",
            &format!(
                "--learning-rate {creeps},{near},{at},{above} --momentum {momentum} --steps 30"
            ),
        );
        let words: Vec<&str> =
            output.lines().filter(|line| line.starts_with("rate ")).map(str::trim_end).collect();
        // How far off the minimum each of the runs comes in some steps.
        let farthest = |steps: std::ops::Range<usize>| -> Vec<f64> {
            let rows = steps.map(|step| row(&output, &format!("{step} ")));
            let distances = rows.map(|row| row.iter().map(|w| (w - 3.0).abs()).collect());
            distances
                .reduce(|a: Vec<f64>, b| a.iter().zip(&b).map(|(a, b)| a.max(*b)).collect())
                .unwrap()
        };
        let (before, after) = (farthest(11..21), farthest(21..31));
        for (run, words) in words.iter().enumerate() {
            let said = |what| words.contains(what);
            let (farther, for_ever) = (after[run] > 2.0 * before[run], run == 2);
            assert_eq!(said("diverges"), farther, "{words}: {output}");
            assert_eq!(said("from side to side for ever"), for_ever, "{words}: {output}");
            assert_eq!(said("a hundredth of the distance"), run < 2, "{words}: {output}");
        }
        assert!((0.99..2.0).contains(&(after[2] / before[2])) && after[1] < before[1], "{output}");
        for (rate, words) in rates.into_iter().zip(&words) {
            let is_complex = (1.0 + momentum - 2.0 * rate).powi(2) < 4.0 * momentum - 1e-9;
            assert_eq!(words.contains("it swings"), is_complex, "{output}");
        }
        assert!(output.contains(&format!(" ÷ λ = {bound}.")), "{output}");
    }
    // Of the roots of x² − 1.3·x + 0.5: √0.5 in size, so that 0.01 = 0.5^(n/2) after 13.3 steps.
    let output = run("parabola", "--learning-rate 0.1 --momentum 0.5 --steps 20");
    assert!(output.contains("±0.7071") && output.contains("after some 14 steps"), "{output}");
    assert!(error("parabola", "--momentum 1", 2).contains("must be less than 1"));
}

#[test]
fn the_validation_loss_turns_and_weight_decay_helps() {
    let output = run("overfitting", "--epochs 60");
    let part = |start: &str, end: &str| -> Vec<f64> {
        let text = between(&output, start, end);
        text.lines()
            .filter_map(|line| {
                let row: Vec<f64> =
                    line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
                (row.len() == 4).then(|| row[2])
            })
            .collect()
    };
    let plain = part("weight decay 0\n", "on test");
    let decayed = part("weight decay 1\n", "on test");
    let least = plain.iter().copied().fold(f64::INFINITY, f64::min);
    let last = *plain.last().unwrap();
    assert!(last > 1.2 * least, "it does not turn: {plain:?}");
    assert!(*decayed.last().unwrap() < last, "{decayed:?}");
    assert_eq!(
        error("overfitting", "--samples 5000", 1),
        "error: --samples is 5000, but at most 997 can be trained on\n"
    );
}

#[test]
fn words_are_recognised_by_their_relatives() {
    let held_out = |split: &str| -> [f64; 2] {
        let output = run("doubt", &format!("--epochs 3 --split {split}"));
        let average = between(&output, "gives the mean answer each time", "\n").trim();
        let line = output.lines().rfind(|line| line.contains("  =  ")).unwrap();
        let loss = line.split_whitespace().nth(2).unwrap();
        [average, loss].map(|figure| figure.parse().unwrap())
    };
    let [[mean_random, random], [mean_family, family]] = ["random", "family"].map(held_out);
    assert!(random < mean_random - 0.35, "{random}, {mean_random}");
    assert!(family > mean_family - 0.1, "{family}, {mean_family}");
    let line = error("doubt", "--data data/iris.csv", 1);
    assert!(line.starts_with("error: data/iris.csv:2: "), "{line}");
}

#[test]
fn a_pole_is_balanced() {
    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("pole.svg");
    let output = run("cart_pole", &format!("--animation {}", picture.display()));
    assert!(output.ends_with("1 of 1 seeds reach 475\n"), "{output}");
    super::landscape::check_picture(&picture);
}
