//! Tables of numbers, a row for each class.

/// A column of a table: its heading, and a number for each class.
pub(crate) struct Column {
    heading: String,
    numbers: Vec<f64>,
    sum: Option<f64>,
}

impl Column {
    pub(crate) fn new(heading: impl Into<String>, numbers: &[f64]) -> Self {
        Self { heading: heading.into(), numbers: numbers.to_vec(), sum: None }
    }

    /// With the sum of the numbers below them.
    pub(crate) fn with_sum(self) -> Self {
        Self { sum: Some(self.numbers.iter().sum()), ..self }
    }
}

pub(crate) fn print_table(columns: &[Column]) {
    let class_count = columns.first().map_or(0, |column| column.numbers.len());
    let names = (0..class_count).map(|class| class.to_string());
    let names = std::iter::once("class".into()).chain(names).chain(["sum".into()]);
    let mut lines: Vec<String> = names.map(|name| format!("{name:>5}")).collect();
    for column in columns {
        let mut cells = vec![column.heading.clone()];
        cells.extend(column.numbers.iter().map(|&x| number(x)));
        cells.extend(column.sum.map(number));
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        cells.resize(lines.len(), String::new());
        for (line, cell) in lines.iter_mut().zip(cells) {
            *line += &format!("  {cell:>width$}");
        }
    }
    for line in lines {
        println!("{}", line.trim_end());
    }
}

/// A number with six decimals, or in scientific notation where these would hide it.
pub(crate) fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0.000000".into(),
        size if (1e-6..1e9).contains(&size) || !size.is_finite() => format!("{x:.6}"),
        _ => format!("{x:.2e}"),
    }
}

/// "[2, 1, 0.1]"
pub(crate) fn list(numbers: &[f64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(f64::to_string).collect();
    format!("[{}]", numbers.join(", "))
}
