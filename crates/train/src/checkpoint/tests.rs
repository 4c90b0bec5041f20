use std::fs;

use downhill_losses::cross_entropy;
use downhill_nn::{Activation, BatchNorm, Dropout, Linear, Module, Sequential};
use downhill_optim::{
    Adagrad, Adam, AdamW, EarlyStopping, ExponentialMovingAverage, Lbfgs, Lion, Muon, Optimizer,
    ParameterGroup, ReduceOnPlateau, RmsProp, Sgd, Threshold,
};
use downhill_tensor::Tensor;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use super::*;
use crate::state;
use crate::{History, TemperatureScaling};

type Random = Xoshiro256PlusPlus;
type Optimizers = Vec<Box<dyn Optimizer<f32>>>;

const EPOCHS: usize = 3;
const BATCHES: usize = 4;

/// All that a run consists of.
struct Run {
    model: Sequential,
    optimizers: Optimizers,
    average: ExponentialMovingAverage,
    history: History,
    rng: Random,
    position: Position<Random>,
    losses: Vec<f64>,
}

impl Run {
    fn new(optimizers: Optimizers) -> Self {
        let mut rng = Random::seed_from_u64(7);
        let model = Sequential::new()
            .then(Linear::new(3, 5, &mut rng))
            .then(BatchNorm::new(5))
            .then(Activation::Relu)
            .then(Dropout::new(0.3).unwrap())
            .then(Linear::new(5, 2, &mut rng));
        Self {
            history: History::new(&model).every(1),
            model,
            optimizers,
            average: ExponentialMovingAverage::new(0.9),
            rng,
            position: Position::new(),
            losses: Vec::new(),
        }
    }

    fn state(&mut self) -> State<'_> {
        let Self { model, optimizers, average, history, rng, position, losses } = self;
        State::new("model", model)
            .memory("optimizers", optimizers)
            .memory("average", average)
            .memory("history", history)
            .value("rng", rng)
            .value("position", position)
            .value("losses", losses)
    }

    /// Trains to the end, or for `steps` more steps.
    fn train(&mut self, mut steps: usize, mut after_step: impl FnMut(&mut Self)) {
        while self.position.epoch() < EPOCHS {
            let order = self.position.begin_epoch(&mut self.rng, |rng| {
                let mut rows: Vec<usize> = (0..4 * BATCHES).collect();
                rows.shuffle(rng);
                rows
            });
            for rows in order.chunks(4).skip(self.position.batch()) {
                if steps == 0 {
                    return;
                }
                steps -= 1;
                let x: Vec<f32> =
                    rows.iter().flat_map(|&row| [row as f32, (row % 3) as f32, 1.0]).collect();
                let labels: Vec<usize> = rows.iter().map(|row| row % 2).collect();
                let x = Tensor::from_shape_vec(&[4, 3], x).unwrap();
                let logits = self.model.forward_training(&x, &mut self.rng);
                let loss = cross_entropy(&logits, &labels).unwrap();
                let gradients = loss.backward();
                for optimizer in &mut self.optimizers {
                    // As a plateau does.
                    optimizer.set_learning_rate(optimizer.learning_rate() * 0.97);
                    optimizer.step(&mut self.model, &gradients).unwrap();
                }
                self.average.update(&self.model).unwrap();
                self.history.step(&self.model, &gradients, &loss, 0.1);
                self.losses.push(loss.item().into());
                self.position.next_batch();
                after_step(self);
            }
            self.history.epoch(&[("loss", self.losses.iter().sum())]);
            self.position.next_epoch();
        }
    }

    /// Everything, to the bit.
    fn bytes(&mut self) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all");
        let entries = self.state().entries().unwrap();
        write(&path, &BTreeMap::new(), &entries).unwrap();
        fs::read(path).unwrap()
    }
}

/// Each with its name.
type Makers = Vec<(&'static str, fn() -> Optimizers)>;

fn optimizers() -> Makers {
    vec![
        ("sgd", || vec![Box::new(Sgd::new(0.1))]),
        ("momentum", || vec![Box::new(Sgd::new(0.1).momentum(0.9).nesterov(true))]),
        ("adagrad", || vec![Box::new(Adagrad::new(0.1))]),
        ("rmsprop", || vec![Box::new(RmsProp::new(0.01).momentum(0.5).centered(true))]),
        ("adam", || vec![Box::new(Adam::new(0.01).amsgrad(true))]),
        ("adamw", || vec![Box::new(AdamW::new(0.01))]),
        ("lion", || vec![Box::new(Lion::new(0.01))]),
        ("muon", || {
            let matrices =
                ["0.bias", "1.*", "4.bias"].into_iter().fold(Muon::new(0.02), |muon, name| {
                    muon.group(ParameterGroup::matching(name).frozen())
                });
            let rest = AdamW::new(0.01).group(ParameterGroup::matching("*.weight").frozen());
            vec![Box::new(matrices), Box::new(rest)]
        }),
    ]
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    (folder, path)
}

fn adam() -> Optimizers {
    vec![Box::new(Adam::new(0.01))]
}

/// A directory with a checkpoint after each of `steps` steps.
fn saved(steps: usize) -> (TempDir, PathBuf) {
    let (folder, path) = place();
    let mut checkpoint = Checkpoint::open(&path).unwrap();
    Run::new(adam()).train(steps, |run| {
        checkpoint.save(run.state()).unwrap();
        checkpoint.finish().unwrap();
    });
    (folder, path)
}

#[test]
fn a_run_goes_on_from_any_step_to_the_very_bytes_of_one_that_was_not_stopped() {
    for (name, optimizers) in optimizers() {
        let mut whole = Run::new(optimizers());
        whole.train(usize::MAX, |_| ());
        let expected = whole.bytes();
        for stop in 1..EPOCHS * BATCHES {
            let (_folder, path) = place();
            let mut run = Run::new(optimizers());
            run.train(stop, |_| ());
            let mut checkpoint = Checkpoint::open(&path).unwrap();
            checkpoint.save(run.state()).unwrap();
            checkpoint.finish().unwrap();
            drop(checkpoint);

            let mut resumed = Run::new(optimizers());
            let checkpoint = Checkpoint::open(&path).unwrap();
            assert!(checkpoint.restore(resumed.state()).unwrap().is_some());
            assert_eq!(resumed.bytes(), run.bytes(), "{name}, {stop}");
            resumed.train(usize::MAX, |_| ());
            assert_eq!(resumed.bytes(), expected, "{name}, stopped after {stop} steps");
        }
    }
}

#[test]
fn lbfgs_goes_on_as_it_would_have() {
    let step = |point: &mut [Tensor<f64>; 2], optimizer: &mut Lbfgs<f64>| {
        optimizer
            .step(point, |[x, y]| {
                let loss = (1.0 - x).square() + 100.0 * (y - x.square()).square();
                let gradients = loss.backward();
                Ok((loss, gradients))
            })
            .unwrap();
    };
    let start = || [Tensor::parameter(-1.2), Tensor::parameter(1.0)];
    let make = || Lbfgs::new().max_iterations(3);
    let (mut point, mut optimizer) = (start(), make());
    step(&mut point, &mut optimizer);
    let (_folder, path) = place();
    let mut checkpoint = Checkpoint::open(&path).unwrap();
    checkpoint.save(state!(point; optimizer;)).unwrap();
    checkpoint.finish().unwrap();

    let (mut other, mut resumed) = (start(), make());
    checkpoint.restore(State::new("point", &mut other).memory("optimizer", &mut resumed)).unwrap();
    for _ in 0..3 {
        step(&mut point, &mut optimizer);
        step(&mut other, &mut resumed);
    }
    assert_eq!(point.map(|x| x.item()), other.map(|x| x.item()));
}

/// Losses that get better, stay and get worse.
const LOSSES: [f64; 13] = [3.0, 2.0, 2.5, 2.5, 1.0, 1.0, 1.5, 1.2, 0.9, 1.1, 1.2, 1.3, 1.4];

#[test]
fn a_plateau_goes_on_as_it_would_have() {
    let make = || ReduceOnPlateau::new(0.1).patience(1).cooldown(2).factor(0.3);
    for stop in 0..LOSSES.len() {
        let observe = |plateau: &mut ReduceOnPlateau, losses: &[f64]| -> Vec<f64> {
            losses.iter().map(|&loss| plateau.observe(loss).unwrap()).collect()
        };
        let (mut weight, mut plateau) = (Tensor::parameter([0.1_f32]), make());
        observe(&mut plateau, &LOSSES[..stop]);
        let (_folder, path) = place();
        let mut checkpoint = Checkpoint::open(&path).unwrap();
        checkpoint.save(state!(weight;; plateau)).unwrap();
        checkpoint.finish().unwrap();
        let mut resumed = make();
        let state = State::new("weight", &mut weight).value("plateau", &mut resumed);
        checkpoint.restore(state).unwrap();
        assert_eq!(resumed, plateau);
        let rest = observe(&mut plateau, &LOSSES[stop..]);
        assert_eq!(observe(&mut resumed, &LOSSES[stop..]), rest);
    }
}

#[test]
fn early_stopping_goes_on_as_it_would_have_and_keeps_the_best_model() {
    let make = || EarlyStopping::new(4).threshold(Threshold::Absolute(0.05));
    // To the end: when it stopped, the best loss, and the model's value then.
    let observe = |stopping: &mut EarlyStopping, model: &mut [Tensor; 1], epochs| {
        let stopped = LOSSES.iter().enumerate().skip(epochs).find(|(epoch, loss)| {
            model[0].update(|values| values[0] = *epoch as f32);
            stopping.should_stop(**loss, model).unwrap()
        });
        stopping.restore_best(model).unwrap();
        (stopped.map(|(epoch, _)| epoch), stopping.best(), stopping.best_epoch(), model[0].item())
    };
    let expected = observe(&mut make(), &mut [Tensor::parameter([0.1])], 0);
    assert_eq!(expected, (Some(12), Some(0.9), Some(8), 8.0));
    for stop in 0..LOSSES.len() - 1 {
        let (mut model, mut stopping) = ([Tensor::parameter([0.1])], make());
        for (epoch, &loss) in LOSSES[..stop].iter().enumerate() {
            model[0].update(|values| values[0] = epoch as f32);
            assert!(!stopping.should_stop(loss, &model).unwrap());
        }
        let (_folder, path) = place();
        let mut checkpoint = Checkpoint::open(&path).unwrap();
        checkpoint.save(state!(model; stopping;)).unwrap();
        checkpoint.finish().unwrap();
        let (mut model, mut stopping) = ([Tensor::parameter([0.5])], make());
        checkpoint.restore(state!(model; stopping;)).unwrap();
        assert_eq!(observe(&mut stopping, &mut model, stop), expected, "{stop}");
    }

    let (mut model, mut stopping) = ([Tensor::parameter([0.1])], make());
    stopping.should_stop(1.0, &model).unwrap();
    let (_folder, path) = place();
    let mut checkpoint = Checkpoint::open(&path).unwrap();
    checkpoint.save(state!(model; stopping;)).unwrap();
    checkpoint.finish().unwrap();
    let mut stopping = EarlyStopping::new(3).maximize();
    let error = checkpoint.restore(state!(model; stopping;)).unwrap_err().to_string();
    let problem = "`stopping` cannot be taken back: the saved state `observed` minimizes by \
                   Absolute(0.05), and this one maximizes by Absolute(0.0)";
    assert!(error.ends_with(problem), "{error}");
    assert_eq!(stopping.best(), None);
}

#[test]
fn a_temperature_is_taken_back_exactly() {
    let logits = Tensor::from([[9.2_f64, 0.0], [9.2, 0.0], [0.0, 9.2], [0.0, 9.2]]);
    let other = Tensor::from([[1.0_f64, 0.0], [2.0, 0.0], [0.0, 0.3], [0.0, 0.1]]);
    let fit = |logits| TemperatureScaling::fit(logits, &[0, 0, 1, 0]).unwrap();
    let (mut weight, mut scaling) = (Tensor::parameter([0.1_f32]), fit(&logits));
    let (_folder, path) = place();
    let mut checkpoint = Checkpoint::open(&path).unwrap();
    checkpoint.save(state!(weight;; scaling)).unwrap();
    checkpoint.finish().unwrap();
    scaling = fit(&other);
    checkpoint.restore(state!(weight;; scaling)).unwrap();
    assert_eq!(scaling, fit(&logits));
}

#[test]
fn values_of_every_kind_are_exact() {
    let (_folder, path) = place();
    let mut checkpoint = Checkpoint::open(&path).unwrap();
    let mut weight = Tensor::parameter([0.1_f64]);
    let mut rng = Random::seed_from_u64(1);
    let mut numbers = vec![f64::INFINITY, f64::NAN, -0.0, 5e-324, 0.1, f64::MAX];
    let (mut count, mut words) = (u64::MAX, Some("ß".to_owned()));
    checkpoint.save(state!(weight;; rng, numbers, count, words)).unwrap();
    checkpoint.finish().unwrap();

    let bits: Vec<u64> = numbers.iter().map(|x| x.to_bits()).collect();
    let next: u64 = rng.random();
    (numbers, count, words) = (Vec::new(), 0, None);
    checkpoint.restore(state!(weight;; rng, numbers, count, words)).unwrap();
    assert_eq!(numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), bits);
    assert_eq!((count, words), (u64::MAX, Some("ß".to_owned())));
    assert_eq!(rng.random::<u64>(), next);
}

/// The error of resuming, after which the run must be as before.
fn refused(path: &Path, mut run: Run) -> String {
    run.train(2, |_| ());
    let before = run.bytes();
    let error = Checkpoint::open(path).unwrap().restore(run.state()).unwrap_err().to_string();
    assert_eq!(run.bytes(), before);
    error
}

#[test]
fn a_checkpoint_of_another_run_is_refused_with_the_difference_named() {
    let (_folder, path) = saved(5);
    let newest = path.join("checkpoint-00000005.safetensors");
    let newest = newest.display();
    assert_eq!(
        refused(&path, Run::new(vec![Box::new(Sgd::new(0.1).momentum(0.9))])),
        format!(
            "{newest}: `optimizers` cannot be taken back: the saved state `0.weight.velocity` is \
             missing"
        )
    );
    let mut other = Run::new(adam());
    other.model = Sequential::new().then(Linear::new(3, 2, &mut other.rng));
    other.history = History::disabled();
    let error = refused(&path, other);
    assert!(error.contains(&format!("{newest}: the state dict's `")), "{error}");
    let mut other = Run::new(adam());
    other.history = History::disabled();
    assert_eq!(
        refused(&path, other),
        format!("{newest}: `history` cannot be taken back: the run was recorded until now")
    );
}

#[test]
fn a_checkpoint_with_other_options_is_refused_with_the_difference_named() {
    let (_folder, path) = place();
    let open = || Checkpoint::open(&path).unwrap().option("seed", 7);
    let mut run = Run::new(adam());
    let mut checkpoint = open().option("data", "iris");
    checkpoint.save(run.state()).unwrap();
    checkpoint.finish().unwrap();
    drop(checkpoint);
    assert!(open().option("data", "iris").restore(run.state()).unwrap().is_some());
    let error = open().option("data", "digits").restore(run.state()).unwrap_err().to_string();
    assert!(error.contains("with `iris` for data, and this run has `digits`"), "{error}");
    let error = open().restore(run.state()).unwrap_err().to_string();
    assert!(error.contains("with `iris` for data, and this run has nothing"), "{error}");
}

#[test]
fn a_damaged_newest_checkpoint_is_told_of_and_passed_over() {
    let (_folder, path) = saved(3);
    let newest = path.join("checkpoint-00000003.safetensors");
    let whole = fs::read(&newest).unwrap();
    for damage in [
        whole[..whole.len() / 2].to_vec(),
        Vec::new(),
        [&whole[..whole.len() - 1], &[whole[whole.len() - 1] ^ 1][..]].concat(),
    ] {
        fs::write(&newest, damage).unwrap();
        let mut run = Run::new(adam());
        let resumed = Checkpoint::open(&path).unwrap().restore(run.state()).unwrap().unwrap();
        assert!(resumed.path.ends_with("checkpoint-00000002.safetensors"));
        assert_eq!(run.losses.len(), 2);
        let told = resumed.to_string();
        assert!(told.starts_with(&format!("passed over: {}", newest.display())), "{told}");
    }
    for number in 1..3 {
        fs::write(path.join(format!("checkpoint-0000000{number}.safetensors")), "").unwrap();
    }
    let error = Checkpoint::open(&path).unwrap().restore(Run::new(adam()).state()).unwrap_err();
    assert!(error.to_string().contains("checkpoint-00000003.safetensors"), "{error}");
}

#[test]
fn infinities_are_taken_back_where_a_buffer_or_a_memory_of_one_holds_them() {
    let (_folder, path) = place();
    let mut checkpoint = Checkpoint::open(&path).unwrap();
    let mut parts = [Tensor::parameter([0.1_f32]), Tensor::from([f32::NEG_INFINITY])];
    let mut average = ExponentialMovingAverage::new(0.9);
    average.update(&parts).unwrap();
    checkpoint.save(state!(parts; average;)).unwrap();
    checkpoint.finish().unwrap();

    let before = state!(parts; average;).to_bytes().unwrap();
    (parts, average) =
        ([Tensor::parameter([0.2]), Tensor::from([0.0])], ExponentialMovingAverage::new(0.9));
    checkpoint.restore(state!(parts; average;)).unwrap();
    assert_eq!(state!(parts; average;).to_bytes().unwrap(), before);
}

#[test]
fn a_file_that_lost_its_notes_is_passed_over() {
    let (_folder, path) = saved(3);
    let newest = path.join("checkpoint-00000003.safetensors");
    let bytes = fs::read(&newest).unwrap();
    // Written again by another program, which keeps no notes.
    let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    fs::write(&newest, safetensors::serialize(read.tensors(), None).unwrap()).unwrap();
    let mut run = Run::new(adam());
    let resumed = Checkpoint::open(&path).unwrap().restore(run.state()).unwrap().unwrap();
    assert_eq!(run.losses.len(), 2);
    assert!(resumed.to_string().contains("is damaged"), "{resumed}");
    let error = run.state().set_bytes("sent", fs::read(&newest).unwrap()).unwrap_err();
    assert_eq!(error, Error::Damaged { path: "sent".into() });
}

#[test]
fn files_of_other_names_are_no_checkpoints() {
    let (_folder, path) = saved(2);
    for number in ["18446744073709551615", "7", "+0000007", "000000000009"] {
        fs::write(path.join(format!("checkpoint-{number}.safetensors")), "?").unwrap();
    }
    let mut run = Run::new(adam());
    let mut checkpoint = Checkpoint::open(&path).unwrap();
    let resumed = checkpoint.restore(run.state()).unwrap().unwrap();
    assert_eq!(resumed.passed_over, []);
    checkpoint.save(run.state()).unwrap();
    checkpoint.finish().unwrap();
    assert!(path.join("checkpoint-00000003.safetensors").exists());
}

#[test]
fn the_newest_and_the_best_are_kept() {
    for maximize in [false, true] {
        let (_folder, path) = place();
        let mut checkpoint = Checkpoint::open(&path).unwrap().keep(2);
        if maximize {
            checkpoint = checkpoint.maximize();
        }
        let mut run = Run::new(adam());
        for metric in [3.0, 1.0, 5.0, f64::NAN, 2.0, 4.0, 2.0] {
            run.losses = vec![metric];
            checkpoint.save_with_metric(run.state(), metric).unwrap();
            checkpoint.finish().unwrap();
        }
        let best = if maximize { 3 } else { 2 };
        for mut checkpoint in [Some(checkpoint), None] {
            // The second time the directory is opened again.
            let checkpoint = checkpoint.take().unwrap_or_else(|| {
                let again = Checkpoint::open(&path).unwrap().keep(2);
                if maximize { again.maximize() } else { again }
            });
            assert_eq!(checkpoint.folder.numbers().unwrap(), [best, 6, 7]);
            checkpoint.restore_best(run.state()).unwrap().unwrap();
            assert_eq!(run.losses, [if maximize { 5.0 } else { 1.0 }]);
            checkpoint.restore(run.state()).unwrap().unwrap();
            assert_eq!(run.losses, [2.0]);
        }
    }
}

#[test]
fn one_run_at_a_time_uses_a_directory() {
    let (_folder, path) = place();
    let first = Checkpoint::open(&path).unwrap();
    let error = Checkpoint::open(&path).err().unwrap().to_string();
    let expected = format!("{} is in use by process {} (", path.display(), std::process::id());
    assert!(error.starts_with(&expected), "{error}");
    drop(first);
    assert!(Checkpoint::open(&path).unwrap().is_empty());
}

#[test]
fn a_file_in_place_of_the_directory_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    fs::write(&path, "").unwrap();
    let expected = format!("cannot write {}: it is no directory", path.display());
    assert_eq!(Checkpoint::open(&path).err().unwrap().to_string(), expected);
    assert_eq!(crate::TensorBoard::create(&path).err().unwrap().to_string(), expected);
}

/// A run that was killed while it started another program leaves its lock to that for a moment.
#[test]
fn a_lock_that_outlives_its_run_for_a_moment_is_waited_for() {
    let (_folder, path) = place();
    drop(Checkpoint::open(&path).unwrap());
    let file = fs::File::open(path.join("lock")).unwrap();
    file.try_lock().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(120));
            drop(file);
        });
        Checkpoint::open(&path).unwrap();
    });
}

#[test]
fn what_a_killed_run_left_unfinished_is_removed() {
    let (_folder, path) = saved(2);
    fs::write(path.join(".unfinished-abc"), "half").unwrap();
    fs::write(path.join("notes.txt"), "mine").unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert!(!path.join(".unfinished-abc").exists() && path.join("notes.txt").exists());
    assert_eq!(checkpoint.folder.numbers().unwrap(), [1, 2]);
}

#[test]
fn what_cannot_be_written_is_told_at_the_next_save_and_at_the_end() {
    let (_folder, path) = place();
    let mut checkpoint = Checkpoint::open(&path).unwrap();
    let mut run = Run::new(adam());
    fs::remove_dir_all(&path).unwrap();
    checkpoint.save(run.state()).unwrap();
    let error = checkpoint.finish().unwrap_err().to_string();
    let file = path.join("checkpoint-00000001.safetensors");
    assert!(error.starts_with(&format!("cannot write {}: ", file.display())), "{error}");
    fs::create_dir(&path).unwrap();
    checkpoint.save(run.state()).unwrap();
    checkpoint.finish().unwrap();
    assert_eq!(checkpoint.folder.numbers().unwrap(), [2]);
}

#[test]
fn nothing_is_saved_before_it_is_due() {
    let (_folder, path) = place();
    let mut checkpoint = Checkpoint::open(&path).unwrap().every(Duration::from_secs(3600));
    let mut run = Run::new(adam());
    checkpoint.save_when_due(run.state()).unwrap();
    checkpoint.finish().unwrap();
    assert!(checkpoint.is_empty());
    checkpoint = checkpoint.every(Duration::ZERO);
    checkpoint.save_when_due(run.state()).unwrap();
    checkpoint.finish().unwrap();
    assert!(!checkpoint.is_empty());
}

#[test]
fn a_save_is_affordable_when_the_last_took_no_more_than_its_share() {
    let (_folder, path) = place();
    let mut checkpoint = Checkpoint::open(&path).unwrap().every(Duration::ZERO).share(1e-12);
    assert!(checkpoint.is_affordable(), "the first");
    let mut run = Run::new(adam());
    checkpoint.save_when_due(run.state()).unwrap();
    assert!(!checkpoint.is_affordable(), "it is being written, or took longer");
    checkpoint.save_when_due(run.state()).unwrap();
    checkpoint.finish().unwrap();
    assert_eq!(checkpoint.folder.numbers().unwrap(), [1]);
    checkpoint = checkpoint.share(f64::INFINITY);
    checkpoint.save_when_due(run.state()).unwrap();
    checkpoint.finish().unwrap();
    assert_eq!(checkpoint.folder.numbers().unwrap(), [1, 2]);
}

#[test]
fn a_directory_without_checkpoints_has_nothing_to_go_on_from() {
    let (_folder, path) = place();
    let mut run = Run::new(adam());
    assert_eq!(Checkpoint::open(&path).unwrap().restore(run.state()).unwrap(), None);
}

#[test]
#[should_panic(expected = "State: there are two parts `model`")]
fn two_parts_of_one_name_panic() {
    let (mut run, mut count) = (Run::new(adam()), 1);
    let _ = run.state().value("model", &mut count);
}

#[test]
fn an_optimizer_of_another_model_is_not_saved() {
    let folder = TempDir::new().unwrap();
    let mut checkpoint = Checkpoint::open(folder.path().join("run")).unwrap();
    let (mut model, mut other) = (Tensor::parameter([1.0_f32]), Tensor::parameter([2.0]));
    let mut optimizer: Adam = Adam::new(0.1);
    checkpoint.save(state!(model; optimizer;)).unwrap();
    let gradients = other.square().sum().backward();
    optimizer.step(&mut other, &gradients).unwrap();
    let error = checkpoint.save(state!(model; optimizer;)).unwrap_err().to_string();
    assert!(error.starts_with("`optimizer` is not saved: nothing is remembered"), "{error}");
    checkpoint.finish().unwrap();
    let error = checkpoint.restore(state!(model; optimizer;)).unwrap_err().to_string();
    assert!(error.contains("`optimizer` cannot be taken back: nothing is remembered"), "{error}");
    optimizer.state(&other).unwrap();
}
