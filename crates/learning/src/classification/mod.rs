//! Tasks that tenants define: one label, several labels, or a number for a text.
//!
//! Three baselines need no training: keyword rules ([`Keywords`]), similarity to the labels' names and
//! descriptions ([`ZeroShot`]), and votes of the nearest labelled items ([`knn`]). A [`LinearClassifier`] is
//! trained beside them ([`train_task`]) and compared on the same held-out rows. Every method gives
//! [`Scores`]; a [`Decision`] turns them into a calibrated [`Answer`] that abstains when unsure.
//!
//! Everything that is a matter of recipe (what the features are, how strong the penalty is, how many
//! folds) stands in `recipe.rs`.

mod answer;
mod artifact;
mod baselines;
mod decision;
mod evaluation;
mod evidence;
mod examples;
mod fingerprint;
mod folds;
mod labels;
mod linear_classifier;
mod measure;
mod ordinal_bins;
mod recipe;
mod regression;
mod report;
mod search;
mod surface_features;
mod text_features;
mod threshold;
mod train;

pub use answer::{Answer, AnswerLabel, AnswerValue, Scores};
pub use baselines::{Keywords, SimpleMethod, ZeroShot, knn, knn_value};
pub use decision::Decision;
pub use evidence::BaselineScores;
pub use fingerprint::{TASK_FINGERPRINT, is_of_task, task_fingerprint};
pub use labels::LabelSet;
pub use linear_classifier::LinearClassifier;
pub use recipe::ClassifierParameters;
pub use report::{ClassReport, MethodScores, TaskReport};
pub use train::{Example, TaskInput, TaskModel, TaskTrainError, train_task};
