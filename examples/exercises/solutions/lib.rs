//! Solutions of the exercises, one file a step.

pub mod step_1;
pub mod step_2;
pub mod step_3;
pub mod step_4;
pub mod step_5;
pub mod step_6;
pub mod step_7;
