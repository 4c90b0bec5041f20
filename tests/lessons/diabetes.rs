//! Linear regression by gradient descent.

use super::{example, stdout};

/// The coefficients are those of scikit-learn's `LinearRegression` on the same file.
#[test]
fn gradient_descent_finds_the_least_squares_coefficients() {
    let output = stdout(&mut example("diabetes"));
    let expected = [
        ("age", -0.036361),
        ("sex", -22.859648),
        ("body_mass_index", 5.602962),
        ("blood_pressure", 1.116808),
        ("total_cholesterol", -1.089996),
        ("ldl", 0.746450),
        ("hdl", 0.372005),
        ("cholesterol_ratio", 6.533832),
        ("log_triglycerides", 68.483125),
        ("glucose", 0.280117),
        ("intercept", -334.567139),
    ];
    for (name, coefficient) in expected {
        let row = output.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
        let figures: Vec<f64> =
            row.split_whitespace().skip(1).map(|figure| figure.parse().unwrap()).collect();
        let [descended, closed_form, _] = figures[..] else { panic!("{row}") };
        approx::assert_relative_eq!(descended, coefficient, max_relative = 1e-4);
        // The figures printed have six decimals.
        approx::assert_abs_diff_eq!(closed_form, coefficient, epsilon = 1.5e-6);
    }
    assert_eq!(output.lines().last(), Some("R² 0.517748"));
}
