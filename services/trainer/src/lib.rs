//! TrainingService: jobs and the model registry.
