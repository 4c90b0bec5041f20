//! What the names of metrics tell: where they come from, and whether more is better.

/// Where a metric comes from: a leading word, which does not make it another quantity.
const SOURCES: [&str; 3] = ["training", "validation", "test"];
/// What is the better the less of it there is, and the more.
const LESS: [&str; 4] = ["loss", "error", "perplexity", "nats"];
const MORE: [&str; 6] = ["accuracy", "precision", "recall", "f1", "r²", "score"];

/// What the metrics measure, whatever they measure it on, each once.
pub(super) fn quantities<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut quantities: Vec<&str> = Vec::new();
    for (_, quantity) in names.iter().map(|name| split_source(name)) {
        if !quantities.contains(&quantity) {
            quantities.push(quantity);
        }
    }
    quantities
}

/// `validation loss` as `validation` and `loss`.
pub(super) fn split_source(metric: &str) -> (Option<&str>, &str) {
    match metric.split_once(' ') {
        Some((source, quantity)) if SOURCES.contains(&source) => (Some(source), quantity),
        _ => (None, metric),
    }
}

/// The epoch in which a metric of held-out samples was best, and its value, if its name tells
/// whether more of it is better.
pub(super) fn best(metric: &str, points: &[(f64, f64)]) -> Option<(usize, f64)> {
    let (source, quantity) = split_source(metric);
    source.filter(|source| *source != "training")?;
    let quantity = quantity.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| quantity.contains(word));
    let finite = points.iter().filter(|point| point.1.is_finite());
    let order = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
    let found = match (says(&LESS), says(&MORE)) {
        (true, false) => finite.min_by(order),
        // Of equal ones the first.
        (false, true) => finite.rev().max_by(order),
        _ => None,
    };
    found.map(|&(epoch, value)| (epoch as usize, value))
}

/// At which epochs a metric was measured, of `epochs` in all.
pub(super) fn when(points: &[(f64, f64)], epochs: usize) -> String {
    // The first and the last epoch are measured whatever the distance of the others.
    let inner = points.get(1..points.len().max(2) - 1).unwrap_or_default();
    let distance = |pair: &[(f64, f64)]| pair[1].0 - pair[0].0;
    let distances: Vec<f64> = inner.windows(2).map(distance).collect();
    match distances.first() {
        _ if points.len() == epochs => "at the end of each epoch".into(),
        Some(first) if distances.iter().all(|distance| distance == first) => {
            let suffix = match *first as usize {
                2 => "nd",
                3 => "rd",
                _ => "th",
            };
            format!("at the end of every {first}{suffix} epoch")
        }
        _ => format!("at the end of {} of {epochs} epochs", points.len()),
    }
}

pub(super) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_one_quantity_share_a_picture() {
        let names = ["training loss", "loss of all", "validation loss", "test accuracy", "F1"];
        assert_eq!(quantities(&names), ["loss", "loss of all", "accuracy", "F1"]);
        assert_eq!(
            split_source("validation top-5 accuracy"),
            (Some("validation"), "top-5 accuracy")
        );
    }

    #[test]
    fn the_best_epoch_is_the_least_loss_and_the_first_of_the_greatest_accuracies() {
        let points = [(1.0, 0.5), (2.0, f64::NAN), (3.0, 0.2), (4.0, 0.5)];
        assert_eq!(best("test loss", &points), Some((3, 0.2)));
        assert_eq!(best("validation accuracy", &points), Some((1, 0.5)));
        assert_eq!(best("training loss", &points), None);
        assert_eq!(best("test something", &points), None);
    }

    #[test]
    fn it_is_said_how_often_a_metric_was_measured() {
        let at = |epochs: &[usize]| -> Vec<(f64, f64)> {
            epochs.iter().map(|&epoch| (epoch as f64, 0.0)).collect()
        };
        assert_eq!(when(&at(&[1, 2, 3]), 3), "at the end of each epoch");
        assert_eq!(when(&at(&[1, 4, 8, 12, 14]), 14), "at the end of every 4th epoch");
        assert_eq!(when(&at(&[1, 3]), 3), "at the end of 2 of 3 epochs");
        assert_eq!(when(&at(&[1, 2, 5, 6, 7]), 7), "at the end of 5 of 7 epochs");
    }
}
