//! The lines that make the points.

use std::fmt::Write;

use crate::data::Data;
use crate::setting::{DataSetting, Setting, Source};

/// The lines that make the points, to train on and to test on.
pub(super) fn data(body: &mut String, uses: &mut Vec<String>, setting: &Setting, data: &Data) {
    let DataSetting { count, arms, noise, test, rarity, seed, .. } = setting.data;
    let splits = test != 0.0 && setting.data.source != Source::Points;
    if splits || !matches!(setting.data.source, Source::Points | Source::Table | Source::Digits) {
        let _ = writeln!(body, "let mut rng = Xoshiro256PlusPlus::seed_from_u64({seed});");
    }
    let mut synthetic = |call: String| {
        uses.push("downhill::datasets::synthetic".into());
        format!("synthetic::{call}")
    };
    let drawn = match setting.data.source {
        Source::Moons => synthetic(format!("moons({count}, {noise:?}, &mut rng)?")),
        Source::Circles => synthetic(format!("circles({count}, {noise:?}, &mut rng)?")),
        Source::Spirals => synthetic(format!("spirals({arms}, {count}, {noise:?}, &mut rng)?")),
        Source::Xor => synthetic(format!("exclusive_or({count}, {noise:?}, &mut rng)?")),
        Source::Blobs => synthetic(format!("blobs({arms}, {count}, {noise:?}, &mut rng)?")),
        Source::Wave => synthetic(format!("wave({count}, {noise:?}, &mut rng)?")),
        Source::Plane => synthetic(format!("plane({count}, {noise:?}, &mut rng)?")),
        Source::Hills => synthetic(format!("hills({count}, {noise:?}, &mut rng)?")),
        Source::Digits => "Dataset::read_csv(\"data/digits.csv\", \"digit\")?".into(),
        Source::Points => {
            uses.push("downhill::datasets::Classes".into());
            let points: Vec<String> =
                setting.data.points.iter().map(|[x, y, _]| format!("[{x:?}, {y:?}]")).collect();
            let labels: Vec<String> =
                setting.data.points.iter().map(|point| point[2].to_string()).collect();
            let names: Vec<String> = data.class_names().unwrap_or_default().to_vec();
            let _ = writeln!(
                body,
                "let points: Vec<[f32; 2]> = vec![{}];\nlet labels = vec![{}];\n\
                 let names = {names:?}.map(String::from).to_vec();",
                points.join(", "),
                labels.join(", "),
            );
            "Dataset::new(ndarray::arr2(&points), Classes::new(labels, names)?)?".into()
        }
        Source::Table => table(uses, &setting.data),
    };
    let _ = writeln!(
        body,
        "let data: Dataset{} = {drawn};",
        match data.class_names() {
            Some(_) => "",
            None => {
                uses.push("downhill::datasets::Numbers".into());
                "<f32, Numbers<f32>>"
            }
        }
    );
    let is_drawn = matches!(
        setting.data.source,
        Source::Moons | Source::Circles | Source::Spirals | Source::Xor | Source::Blobs
    );
    if is_drawn && rarity != 1.0 {
        let _ = write!(
            body,
            "// Of the second class, the first share remains.\n\
             let rare = data.labels().iter().filter(|&&label| label == 1).count() as f64 * {rarity:?};\n\
             let mut seen = 0;\n\
             let kept: Vec<usize> = (0..data.len())\n    \
             .filter(|&row| {{\n        let second = data.labels()[row] == 1;\n        \
             seen += usize::from(second);\n        !second || seen <= rare.ceil() as usize\n    }})\n    \
             .collect();\nlet data = data.select(&kept);\n"
        );
    }
    let split = if data.class_names().is_some() { "split_stratified" } else { "split" };
    let _ = match splits {
        true => writeln!(body, "let (train, test) = data.{split}({:?}, &mut rng)?;", 1.0 - test),
        false => writeln!(body, "let (train, test) = (data.clone(), data.select(&[]));"),
    };
    if data.standardizer.is_some() {
        let _ = write!(
            body,
            "let standardizer = Standardizer::fit(&train);\n\
             let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));\n"
        );
    }
    if let Some(components) = &data.components {
        let rows: Vec<String> = components
            .rows()
            .into_iter()
            .map(|row| format!("[{:?}, {:?}]", row[0], row[1]))
            .collect();
        let _ = write!(
            body,
            "// The two directions in which the features vary most.\n\
             let components = ndarray::arr2(&[{}]);\n\
             let project = |part: &Dataset| Dataset::new(part.features().dot(&components), part.targets().clone());\n\
             let (train, test) = (project(&train)?, project(&test)?);\n",
            rows.join(", ")
        );
    }
}

fn table(uses: &mut Vec<String>, setting: &DataSetting) -> String {
    uses.push("downhill::datasets::Csv".into());
    let text = crate::data::table(&setting.table).unwrap_or_default();
    let path = match setting.table.contains('\n') {
        true => "table.csv".to_owned(),
        false => format!("data/{}.csv", setting.table),
    };
    let header = crate::data::header(text);
    let target = match setting.target.as_str() {
        "" => header.last().cloned().unwrap_or_default(),
        target => target.to_owned(),
    };
    let columns = match setting.columns.is_empty() {
        true => crate::data::numeric_columns(text, &target),
        false => setting.columns.clone(),
    };
    format!(
        "Csv::new({path:?})\n    .target({target:?})\n    .features(&{columns:?})\n    \
         .drop_missing(true)\n    .read_classification()?"
    )
}
