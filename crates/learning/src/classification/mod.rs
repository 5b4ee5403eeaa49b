//! Tasks that tenants define: one label, several labels, or a number for a text.
//!
//! Three methods need no training: keyword rules ([`Keywords`]), similarity to the labels' names and
//! descriptions ([`ZeroShot`]), and votes of the nearest labelled items ([`knn`]). A [`Head`] is
//! trained beside them ([`train_task`]) and judged on the same held-out rows. Every method gives
//! [`Scores`]; a [`Decision`] turns them into a calibrated [`Answer`] that abstains when unsure.
//!
//! Everything that is a matter of recipe (what the features are, how strongly they are pulled to
//! zero, how many folds) stands in `recipe.rs`.

mod answer;
mod artifact;
mod decision;
mod evidence;
mod fingerprint;
mod folds;
mod head;
mod judge;
mod labels;
mod measure;
mod recipe;
mod regression;
mod report;
mod search;
mod shape;
mod simple;
mod steps;
mod terms;
mod threshold;
mod train;

pub use answer::{Answer, AnswerLabel, AnswerValue, Scores};
pub use decision::Decision;
pub use evidence::Beside;
pub use fingerprint::{TASK_FINGERPRINT, is_of_task, task_fingerprint};
pub use head::Head;
pub use labels::LabelSet;
pub use recipe::HeadParameters;
pub use report::{ClassReport, MethodScores, TaskReport};
pub use simple::{Keywords, SimpleMethod, ZeroShot, knn, knn_value};
pub use train::{Example, TaskInput, TaskModel, TaskTrainError, train_task};
