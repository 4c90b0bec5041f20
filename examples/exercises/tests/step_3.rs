//! Step 3: an operation.

use downhill::tensor::{Tensor, gradcheck, gradcheck_second_order};
use exercises::step_3::{bump, distance};

#[test]
fn the_bump_has_its_values() {
    let values = bump(&Tensor::from([0.0_f64, 1.0, -2.0])).to_vec();
    assert_eq!(values[0], 1.0, "e^0 is 1");
    assert!((values[1] - (-1.0_f64).exp()).abs() < 1e-15, "e^(−1²) is {}", (-1.0_f64).exp());
    assert!((values[2] - (-4.0_f64).exp()).abs() < 1e-15, "e^(−(−2)²) is {}", (-4.0_f64).exp());
}

#[test]
fn the_bump_is_differentiated_twice() {
    let x = Tensor::from([-1.3_f64, -0.2, 0.4, 2.0]);
    gradcheck(|x| bump(&x[0]), &[x.clone()]).unwrap();
    gradcheck_second_order(|x| bump(&x[0]), &[x]).unwrap();
}

#[test]
fn the_distance_has_both_derivatives() {
    let (x, y) = (Tensor::from([3.0_f64, -1.0, 0.5]), Tensor::from([4.0_f64, 2.0, -0.1]));
    assert_eq!(distance(&x, &y).to_vec()[0], 5.0, "√(3² + 4²) is 5");
    gradcheck(|x| distance(&x[0], &x[1]), &[x, y]).unwrap();
}

#[test]
fn operations_broadcast() {
    let (x, y) = (Tensor::from([[3.0_f64], [6.0]]), Tensor::from([4.0_f64, 8.0]));
    assert_eq!(distance(&x, &y).shape(), [2, 2]);
}
