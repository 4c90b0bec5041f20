use downhill_tensor::Tensor;
use roxmltree::{Document, Node};

use super::picture::{BOLD, LABEL, TITLE, WIDTH, text_width};
use super::*;
use downhill_train::Histogram;
use downhill_train::metrics::{Calibration, ConfusionMatrix};

fn number(node: Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

/// The box of a text: left, top, right, bottom.
fn text_box(node: Node<'_, '_>) -> [f64; 4] {
    let size = number(node, "font-size");
    let text = node.text().unwrap().trim();
    let bold = if node.attribute("font-weight").is_some() { BOLD } else { 1.0 };
    let (width, height) = (text_width(text, size) * bold, 0.75 * size);
    let (x, y) = (number(node, "x"), number(node, "y"));
    let along = match node.attribute("text-anchor").unwrap() {
        "start" => 0.0,
        "middle" => -width / 2.0,
        _ => -width,
    };
    let across = match node.attribute("dy") {
        Some("0.76em") => 0.0,
        Some("0.35em") => -height / 2.0,
        _ => -height,
    };
    match node.attribute("transform") {
        None => [x + along, y + across, x + along + width, y + across + height],
        // A quarter turn: what was to the right is above.
        Some(turn) if turn.starts_with("rotate(-90") => {
            [x + across, y - along - width, x + across + height, y - along]
        }
        Some(turn) => panic!("{turn}"),
    }
}

/// Whatever every picture must be: well-formed, closed, finite, its texts apart and on the sheet.
pub(crate) fn check(picture: &Picture) -> Vec<String> {
    let svg = picture.svg();
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
    assert_eq!(picture.svg().matches("http").count(), 1, "a reference to a network");
    let sheet: Vec<f64> =
        root.attribute("viewBox").unwrap().split(' ').map(|n| n.parse().unwrap()).collect();
    assert_eq!(sheet[..2], [0.0, 0.0]);

    let texts: Vec<Node<'_, '_>> =
        document.descendants().filter(|node| node.has_tag_name("text")).collect();
    let label = |node: &Node<'_, '_>| node.text().unwrap().trim().to_owned();
    for (index, text) in texts.iter().enumerate() {
        assert_eq!(text.attribute("font-family"), Some("sans-serif"));
        let [left, top, right, bottom] = text_box(*text);
        assert!(
            left >= -0.1 && top >= -0.1 && right <= sheet[2] + 0.1 && bottom <= sheet[3] + 0.1,
            "{:?} is cut off in {:?}: {:?}",
            label(text),
            picture.title(),
            text_box(*text)
        );
        for other in &texts[index + 1..] {
            let [l, t, r, b] = text_box(*other);
            assert!(
                label(text).is_empty()
                    || label(other).is_empty()
                    || right <= l + 0.1
                    || r <= left + 0.1
                    || bottom <= t + 0.1
                    || b <= top + 0.1,
                "{:?} and {:?} overlap in {:?}",
                label(text),
                label(other),
                picture.title()
            );
        }
    }
    for node in document.descendants() {
        for name in ["x", "y", "width", "height", "cx", "cy", "r", "x1", "y1", "x2", "y2"] {
            if let Some(value) = node.attribute(name)
                && node != root
            {
                let value: f64 = value.parse().unwrap();
                assert!(value.abs() < 1e4, "{name} is {value} in {:?}", picture.title());
            }
        }
        for point in node.attribute("points").unwrap_or_default().split_whitespace() {
            let (x, y) = point.split_once(',').unwrap();
            for coordinate in [x, y] {
                assert!(coordinate.parse::<f64>().unwrap().abs() < 1e4, "{point}");
            }
        }
    }
    texts.iter().map(label).collect()
}

/// The points of each line in the colour of series `index`.
fn curves(picture: &Picture, index: usize, series: usize) -> Vec<usize> {
    let color = picture::series_color(index, series, true).to_string();
    let svg = picture.svg();
    let document = Document::parse(&svg).unwrap();
    let lines = document.descendants().filter(|node| {
        node.has_tag_name("polyline") && node.attribute("stroke") == Some(color.as_str())
    });
    lines.map(|node| node.attribute("points").unwrap().split_whitespace().count()).collect()
}

fn ramp(count: i32) -> impl Iterator<Item = (f64, f64)> + Clone {
    (1..=count).map(|i| (f64::from(i), 1.0 / f64::from(i)))
}

#[test]
fn every_series_is_a_curve_and_has_its_place_in_the_legend() {
    let chart = Chart::new("Loss", "epoch", "loss (nats)")
        .line("training", ramp(20))
        .line("validation", ramp(10));
    for chart in [chart.clone(), chart.clone().log_y(), chart.log_x()] {
        let picture = chart.picture();
        let texts = check(&picture);
        assert_eq!(texts[..3], ["Loss", "training", "validation"]);
        assert!(texts.contains(&"epoch".into()) && texts.contains(&"loss (nats)".into()));
        // The first is the sample in the legend.
        assert_eq!(curves(&picture, 0, 2), [2, 20]);
        assert_eq!(curves(&picture, 1, 2), [2, 10]);
    }
}

#[test]
fn what_has_no_place_on_an_axis_leaves_a_gap() {
    let points = [(1.0, 1.0), (2.0, 0.5), (3.0, f64::NAN), (4.0, -1.0), (5.0, 0.2), (6.0, 0.1)];
    let chart = Chart::new("Gaps", "step", "loss").line("training", points);
    check(&chart.picture());
    assert_eq!(curves(&chart.picture(), 0, 1), [2, 2, 3]);
    let logarithmic = chart.log_y().picture();
    check(&logarithmic);
    assert_eq!(curves(&logarithmic, 0, 1), [2, 2, 2]);
}

#[test]
fn no_data_and_impossible_data_are_drawn_without_harm() {
    for values in [
        vec![],
        vec![(0.0, 0.0)],
        vec![(1.0, f64::NAN)],
        vec![(f64::NAN, 1.0), (f64::INFINITY, 2.0)],
        vec![(0.0, f64::MAX), (1.0, -f64::MAX)],
        vec![(0.0, 1e-320), (1.0, 2e-320)],
        vec![(1.0, 7.0), (2.0, 7.0)],
        vec![(1.0, -7.0), (2.0, -7.0)],
        vec![(0.0, 1e16), (1.0, 1e16 + 2.0)],
    ] {
        let chart = Chart::new("Odd", "x", "y").line("a", values.clone());
        check(&chart.clone().picture());
        check(&chart.clone().log_y().picture());
        check(&chart.log_x().points("b", values.clone()).noisy_line("c", values).picture());
    }
}

#[test]
fn labels_keep_apart_whatever_the_range() {
    for exponent in -8..=8 {
        for (start, length) in [(0.0, 1.0), (-3.0, 7.7), (0.999, 0.001), (12_345.0, 2.0)] {
            let scale = 10_f64.powi(exponent);
            let ends = [(start * scale, start * scale), ((start + length) * scale, 1.0)];
            let chart = Chart::new("Range", "x", "y").line("a", ends);
            check(&chart.clone().picture());
            check(&chart.square().log_y().picture());
        }
    }
}

#[test]
fn long_names_are_wrapped_or_cut_and_many_are_thinned() {
    let title =
        "A title that is far too long to be written into one line of a picture of this width";
    let mut chart =
        Chart::new(title, "x ".repeat(10), "a quantity with a name of many words").graded();
    for layer in 0..30 {
        let name = format!("transformer.blocks.{layer}.attention.projection");
        chart = chart.line(name, ramp(5 + layer));
    }
    let picture = chart.picture();
    let texts = check(&picture);
    assert_eq!(texts.iter().filter(|text| text.starts_with("transformer")).count(), 16);
    assert!(texts.contains(&"and 14 more between them".into()));
    // In the legend are the first and the last.
    assert_eq!(curves(&picture, 0, 30).len(), 2);
    assert_eq!(curves(&picture, 29, 30).len(), 2);
    assert_eq!(curves(&picture, 2, 30).len(), 1);
}

#[test]
fn long_lines_are_thinned_and_noisy_ones_smoothed() {
    let points = (0..200_000).map(|i| (f64::from(i), f64::from(i % 100)));
    let picture = Chart::new("Long", "step", "loss").noisy_line("training", points).picture();
    check(&picture);
    assert!(curves(&picture, 0, 1).iter().all(|&count| count <= 1200));
    assert!(picture.svg().len() < 60_000, "{} bytes", picture.svg().len());
}

#[test]
fn lines_end_where_the_axes_do() {
    let diverging = (0..20).map(|i| (f64::from(i), (-3.0_f64).powi(i)));
    let picture = Chart::new("Diverging", "step", "weight")
        .x_range(0.0, 19.0)
        .y_range(-10.0, 10.0)
        .path("too large a rate", diverging)
        .picture();
    check(&picture);
    assert!(curves(&picture, 0, 1).len() > 1);
}

#[test]
fn a_confusion_matrix_shows_every_count_that_is_not_0() {
    let names = ["setosa", "versicolor with a long name", "<virginica> & co"];
    let confusion = ConfusionMatrix::new(&[0, 1, 1, 2, 2, 2], &[0, 1, 2, 2, 2, 2], 3).unwrap();
    let picture = confusion_matrix(&confusion.clone().with_names(&names));
    let texts = check(&picture);
    for count in ["1", "3"] {
        assert!(texts.contains(&count.into()), "{texts:?}");
    }
    assert_eq!(texts.iter().filter(|text| *text == "<virginica> & co").count(), 2);
    check(&confusion_matrix(&confusion));

    let labels: Vec<usize> = (0..120).collect();
    let many = ConfusionMatrix::new(&labels, &labels, 120).unwrap();
    let texts = check(&confusion_matrix(&many));
    assert!(texts.len() < 80, "{} names and numbers", texts.len());
}

#[test]
fn heat_maps_of_all_sizes_are_legible() {
    let letters: Vec<char> = ('a'..='z').chain(['.']).collect();
    let values: Vec<f64> = (0..27 * 27).map(|i| f64::from(i % 27) / 300.0).collect();
    let picture = heat_map("Next character", ["next", "character"], &letters, &letters, &values);
    let texts = check(&picture);
    assert!(texts.contains(&"greatest: 0.0867".into()));
    assert_eq!(picture.svg().matches("<rect").count(), 1 + 1 + 27 * 26);
    let small = heat_map("Small", ["x", "y"], &["a", "b"], &["c"], &[f64::NAN, -0.5]);
    assert!(check(&small).contains(&"−0.5".into()));
    check(&heat_map("Wide", ["x", "y"], &letters, &["only"], &values[..27]));
    check(&heat_map("Empty", ["x", "y"], &["a"], &["b"], &[0.0]));
}

#[test]
fn a_reliability_diagram_states_its_error() {
    let probabilities = Tensor::from([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]);
    let calibration = Calibration::new(&probabilities, &[0, 1, 1], 10).unwrap();
    let picture = reliability_diagram(&calibration);
    check(&picture);
    assert!(picture.title().contains("0.3"), "{}", picture.title());
}

#[test]
fn counts_of_a_reliability_diagram_stand_clear_of_the_intervals() {
    // Of ten bins, from one that is always wrong to one that is always right.
    for count in [1_usize, 2, 7, 100, 4000] {
        for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let rows = (0..10).flat_map(|bin| (0..count).map(move |i| (bin, i)));
            let (mut probabilities, mut labels) = (Vec::new(), Vec::new());
            for (bin, i) in rows {
                let p = (f64::from(bin) + 0.5) / 10.0;
                let p = p.max(1.0 - p);
                probabilities.extend([p, 1.0 - p]);
                labels.push(usize::from(i as f64 >= share * count as f64));
            }
            let probabilities = Tensor::from(probabilities).reshape(&[labels.len(), 2]);
            let svg =
                reliability_diagram(&Calibration::new(&probabilities, &labels, 10).unwrap()).svg();
            let document = Document::parse(&svg).unwrap();
            let named =
                |name| document.descendants().filter(move |it| it.tag_name().name() == name);
            let is_interval = |it: &Node<'_, '_>| it.attribute("stroke") == Some("#C25500");
            let intervals: Vec<Vec<f64>> = named("polyline")
                .filter(is_interval)
                .map(|it| it.attribute("points").unwrap().split([' ', ',']).collect())
                .map(|points: Vec<&str>| points.iter().map(|it| it.parse().unwrap()).collect())
                .collect();
            let counts = named("text").filter(|it| it.has_attribute("paint-order"));
            let clear = |count: Node<'_, '_>| {
                let [left, top, right, bottom] = text_box(count);
                intervals.iter().all(|it| {
                    let beside = it[0] < left || it[0] > right;
                    beside || bottom < it[1].min(it[3]) || top > it[1].max(it[3])
                })
            };
            assert_eq!(counts.map(clear).collect::<Vec<_>>(), [true; 5], "{count} × {share}");
        }
    }
}

#[test]
fn regressions_are_drawn_with_what_would_be_exact() {
    let pairs: Vec<_> = (0..50).map(|i| (f64::from(i), f64::from(i) + f64::from(i % 3))).collect();
    for picture in [predicted_against_actual(&pairs), residuals(&pairs)] {
        let texts = check(&picture);
        assert!(texts.contains(&"exact".into()));
        // One in the legend.
        assert_eq!(picture.svg().matches("<circle").count(), 51);
    }
    check(&residuals(&[(f64::NAN, 1.0)]));
    let coefficients = [("body_mass_index", 5.6), ("sex", -22.9), ("intercept", -334.6)];
    assert!(check(&bars("Coefficients", "weight", &coefficients)).contains(&"sex".into()));
}

#[test]
fn a_range_test_names_the_rate_at_which_the_loss_falls_fastest() {
    // Falls around 0.01 by a sigmoid of ln rate, and explodes from 1 on.
    let step = |index: i32| {
        let rate = 1e-5 * 10_f64.powf(f64::from(index) / 40.0);
        let fallen = 1.0 / (1.0 + (-2.0 * (rate / 0.01).ln()).exp());
        (rate, 2.0 - fallen + if rate > 1.0 { rate.powi(4) } else { 0.0 })
    };
    let mut steps: Vec<(f64, f64)> = (0..240).map(step).collect();
    let picture = learning_rate_range(&steps);
    check(&picture);
    let named = picture.title().rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    assert!((0.008..0.0125).contains(&named), "{}", picture.title());
    // What diverged says nothing about where the loss falls.
    steps.extend([(20.0, f64::INFINITY), (21.0, f64::NAN), (22.0, -f64::NAN)]);
    let diverged = learning_rate_range(&steps);
    check(&diverged);
    assert_eq!(diverged.title(), picture.title());
    for nothing in
        [&[][..], &[(0.1, f64::NAN)], &[(0.1, 1.0), (0.2, 2.0)], &[(0.0, 1.0), (0.0, 0.5)]]
    {
        let picture = learning_rate_range(nothing);
        check(&picture);
        assert_eq!(picture.title(), "Learning rates: the loss falls at none", "{nothing:?}");
    }
}

#[test]
fn histograms_are_one_row_each() {
    let of = |values: Vec<f64>| Histogram::of(&[&Tensor::from(values)]).unwrap();
    let spread = of((0..1000).map(|i| f64::from(i % 37) - 18.0).collect());
    let single = of(vec![0.0; 5]);
    let rows = [("step 1".into(), &spread), ("step 900".into(), &single)];
    let texts = check(&histograms("Weights of layers.0", "weight", &rows));
    assert!(texts.contains(&"step 1".into()) && texts.contains(&"step 900".into()));
    check(&histograms("Biases", "bias", &[("start".into(), &single)]));
    check(&histograms("Nothing", "bias", &[]));
}

#[test]
fn images_are_drawn_in_runs_of_equal_shade() {
    let image = |width: usize, pixels: Vec<f64>| Image {
        pixels,
        width,
        caption: vec!["true 8".into(), "predicted 3 with certainty".into()],
    };
    let digit = image(4, vec![0.0, 16.0, 16.0, 0.0, 16.0, 16.0, 16.0, 16.0]);
    let flat = image(2, vec![f64::NAN, 1.0]);
    let picture = images("Most confidently wrong", &[digit, flat.clone(), flat]);
    check(&picture);
    // An area for black and one for white, with four runs of the first and one of each other.
    let svg = picture.svg();
    let runs =
        svg.split(" d=\"").skip(1).map(|d| d.split('"').next().unwrap().matches('M').count());
    assert_eq!(runs.collect::<Vec<_>>(), [2 + 1 + 1, 2]);
}

#[test]
fn weights_share_a_scale_and_those_below_0_have_another_colour() {
    let unit = |pixels: [f64; 4]| Image { pixels: pixels.into(), width: 2, caption: vec![] };
    let picture = weights("Units", &[unit([2.0, -2.0, 0.0, f64::NAN]), unit([0.5; 4])]);
    let texts = check(&picture);
    assert!(texts.contains(&"greatest: 2".into()), "{texts:?}");
    // Full strength above and below 0, and a quarter of it.
    assert_eq!(picture.svg().matches("<path").count(), 3);
    check(&weights("Nothing", &[]));
    // Two filters of two channels, and of a wide layer as many units as are worth their place.
    let filters: Vec<f64> = (0..24).map(f64::from).collect();
    let filters = Tensor::from(filters).reshape(&[2, 2, 3, 2]);
    let images = weight_images(&filters, [8, 8], &[""; 0]);
    assert_eq!((images.len(), images[3].width, images[3].caption[0].as_str()), (4, 2, "3"));
    assert_eq!(images[3].pixels, [18.0, 19.0, 20.0, 21.0, 22.0, 23.0]);
    let wide = Tensor::<f64>::zeros(&[784, 300]);
    assert_eq!(weight_images(&wide, [28, 28], &[""; 0]).len(), 10);
    check(&weights("Zeros", &[unit([0.0; 4])]));
}

#[test]
fn points_of_a_plane_keep_their_distances_on_the_map() {
    // A plane in four dimensions, spanned by (1, 1, 0, 0) / √2 and (0, 0, 1, −1) / √2.
    let points = [[3.0, 1.0], [-1.0, 2.0], [0.5, -4.0], [2.0, 2.0]];
    let side = 0.5_f64.sqrt();
    let vectors: Vec<f64> =
        points.iter().flat_map(|[a, b]| [7.0 + a * side, a * side, b * side, -b * side]).collect();
    let plane = plane_of(&Tensor::from(vectors).reshape(&[4, 4]));
    let distance = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    for (i, a) in points.iter().enumerate() {
        for (j, b) in points.iter().enumerate() {
            let mapped = distance(&plane.points[i], &plane.points[j]);
            approx::assert_relative_eq!(mapped, distance(a, b), epsilon = 1e-9);
        }
    }
    approx::assert_relative_eq!(plane.shares[0] + plane.shares[1], 1.0, epsilon = 1e-12);
    assert!(plane.shares[0] >= plane.shares[1]);
}

#[test]
fn vectors_that_do_not_differ_lie_in_one_place() {
    for vectors in [Tensor::from([[2.0, 3.0], [2.0, 3.0]]), Tensor::from([[5.0], [5.0]])] {
        let plane = plane_of(&vectors);
        assert_eq!((plane.points, plane.shares), (vec![[0.0; 2]; 2], [0.0; 2]));
    }
    // One dimension has no second direction.
    let plane = plane_of(&Tensor::from([[1.0], [4.0]]));
    assert_eq!((plane.points, plane.shares), (vec![[1.5, 0.0], [-1.5, 0.0]], [1.0, 0.0]));
}

#[test]
fn words_stand_where_their_points_are_and_in_the_legend_by_kind() {
    let chart = Chart::new("Words", "x", "y")
        .words("vowels", [((0.0, 0.0), "a".to_owned()), ((1.0, 1.0), "e".to_owned())])
        .words("others", [((2.0, 0.5), "k".to_owned()), ((0.01, 0.01), "b".to_owned())]);
    let texts = check(&chart.picture());
    for text in ["vowels", "others", "a", "e", "k"] {
        assert!(texts.contains(&text.into()), "{text}: {texts:?}");
    }
}

#[test]
fn words_in_one_place_are_moved_apart() {
    for places in [[(0.5, 0.5); 3], [(0.5, 0.5), (0.501, 0.5), (0.5, 0.52)]] {
        let words = places.into_iter().zip(["a", "e", "o"].map(str::to_owned));
        let far = [((0.0, 0.0), "x".to_owned()), ((1.0, 1.0), "y".to_owned())];
        check(&Chart::new("Words", "x", "y").words("vowels", words).words("far", far).picture());
    }
}

#[test]
fn a_decision_map_shows_every_moment_with_its_regions_and_points() {
    let features = Tensor::from([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]);
    let mut map = DecisionMap::new(&features, &[0, 1, 2], &["a", "b", "c"])
        .feature_names(["bill length", "flipper length"]);
    let weight = Tensor::from([[-3.0, 6.0, -3.0], [-3.0, -3.0, 6.0]]);
    map.capture(1, &(map.grid().matmul(&weight) * 0.0));
    map.capture(100, &map.grid().matmul(&weight));
    let [before, after] = &map.pictures()[..] else { panic!("two pictures") };
    check(before);
    assert!(check(after).contains(&"flipper length".into()));
    assert!(after.svg().matches("<path").count() >= 6);
    // A point and a sample in the legend for the first class; those of the others are no circles.
    assert_eq!(after.svg().matches("<circle").count(), 2);
}

#[test]
fn a_single_logit_decides_between_two_classes() {
    let features = Tensor::from([[-1.0, -1.0], [1.0, 1.0]]);
    let mut map = DecisionMap::new(&features, &[0, 1], &["no", "yes"]);
    map.capture(9, &map.grid().matmul(&Tensor::from([[9.0], [0.0]])));
    // Symmetric about the middle: each class has its half in three shades.
    assert_eq!(map.pictures()[0].svg().matches("<path").count(), 6);
}

#[test]
fn a_landscape_has_level_lines_and_labelled_paths() {
    let bowl = Field::sample((-2.0, 2.0), (-1.0, 1.0), 60, |x, y| x * x + 4.0 * y * y);
    let picture = Chart::new("Descent", "w₁", "w₂")
        .contours(&bowl, &bowl.levels(8))
        .path("rate 0.1", [(1.5, 0.8), (1.0, 0.2), (0.5, 0.1)])
        .path("rate 2", [(1.5, 0.8), (-1.9, -0.9), (9.0, 9.0)])
        .picture();
    let texts = check(&picture);
    assert!(texts.contains(&"rate 2".into()));
    assert!(picture.svg().matches("<path").count() >= 8);
}

/// The size of text on a screen of 400 pixels, less the page's margins.
const _: () = assert!(LABEL * (400.0 - 26.0) / WIDTH >= 11.0 && TITLE > LABEL);

#[test]
#[should_panic(expected = "an axis cannot reach from 1 to 1")]
fn an_axis_without_length_is_refused() {
    let _ = Chart::new("", "", "").x_range(1.0, 1.0);
}
