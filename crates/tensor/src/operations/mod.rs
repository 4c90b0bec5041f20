//! The operations, one family a file. Each is a method of [`Tensor`](crate::Tensor): its value and
//! its derivatives side by side, with its tests.

mod arithmetic;
mod axes;
mod broadcast;
mod elementwise;
mod indexing;
mod labels;
mod matrix;
mod moments;
mod order;
mod power;
mod reduction;
mod select;
mod shape;
mod softmax;

pub use axes::{Axes, keep};
pub(crate) use broadcast::broadcasts_to;
pub use moments::Norm;

#[cfg(test)]
mod tests {
    use std::process::Command;

    #[test]
    fn all_paths_pass_the_tests_of_the_operations() {
        if std::env::var_os("DOWNHILL_VECTORS").is_some() {
            return;
        }
        for vectors in ["none", "avx2"] {
            let tests = std::env::current_exe().unwrap();
            let output = Command::new(tests)
                .arg("operations::")
                .env("DOWNHILL_VECTORS", vectors)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{vectors}: {text}");
            assert!(!text.contains("running 0 tests"), "{text}");
        }
    }
}
