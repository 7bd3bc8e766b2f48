#include "train/trainer.h"

#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "train/network_state.h"

namespace bitwright {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

Trainer::Trainer(Network& network, MethodStack& methods, Optimizer& optimizer,
                 const Schedule& schedule, BatchLoader& loader, Evaluator& validation,
                 const TrainerOptions& options)
    : network_(network),
      methods_(methods),
      optimizer_(optimizer),
      schedule_(schedule),
      loader_(loader),
      validation_(validation),
      options_(options),
      training_step_(network, methods, optimizer, loader.shape(), options.precision,
                     options.update),
      watchdog_(network, methods, options.watchdog, options.steps,
                training_step_.logits().shape()[1]) {
  training_step_.guard(&watchdog_);
  best_.save(
      [this](StateVisitor& v) { visit_network(network_, methods_, v); });  // fixes names and shapes
}

bool Trainer::run(TrainingObserver& observer) {
  const std::int64_t epoch_length = steps_per_epoch();
  watchdog_.tell([&observer](const Warning& warning) { observer.on_warning(warning); });
  loader_.seek(step_ * options_.accumulate);
  freeze_and_restart();  // what a resumed run had frozen
  while (step_ < options_.steps && ended_early().empty()) {
    const StepInfo now = info();
    const StepRecord done = update(now);
    ++step_;
    observer.on_step(done);
    watchdog_.after_update(now, training_step_.data_loss());

    const bool epoch_ends = step_ % epoch_length == 0;
    const bool last = step_ == options_.steps;
    const bool evaluation_due = now.step % epoch_length % options_.evaluate_every == 0;
    if (evaluation_due || epoch_ends || last) {
      const EvaluationRecord record = evaluate();
      observer.on_evaluation(record);
      if (epoch_ends) observer.on_epoch(close_epoch(record.hard));
    }
    methods_.after_step(now);
    if (epoch_ends) methods_.after_epoch(now);
    if (last || !ended_early().empty()) methods_.finish(now);
    freeze_and_restart();
    if (observer.on_step_complete(step_)) return false;
  }
  return true;
}

void Trainer::freeze_and_restart() {
  for (const std::string& name : methods_.frozen()) training_step_.freeze(name);
  for (const std::string& name : methods_.rewritten()) training_step_.restart(name);
}

std::int64_t Trainer::steps_per_epoch() const {
  return loader_.batches_per_epoch() / options_.accumulate;
}

StepInfo Trainer::info() const {
  const Horizon stage{options_.steps, steps_per_epoch()};
  return {step_, step_ / stage.steps_per_epoch,
          optimizer_.learning_rate() * schedule_.factor(step_, stage) * rate_factor_};
}

// The batches of one update: fetched, and the network updated from them.
StepRecord Trainer::update(const StepInfo& now) {
  if (step_observer_) step_observer_->step_begins(now);
  const Clock::time_point begin = Clock::now();
  Seconds waiting{};
  const auto fetch = [&] {
    const Clock::time_point asked = Clock::now();
    in_phase(step_observer_, Phase::batch, [&] {
      loader_.wait();
      waiting += Clock::now() - asked;
      loader_.next(training_step_.batch());
    });
  };
  for (std::int64_t i = 1; i < options_.accumulate; ++i) {
    fetch();
    training_step_.accumulate(now);
  }
  fetch();
  const double loss = training_step_.update(now);
  const Seconds all = Clock::now() - begin;
  if (step_observer_) step_observer_->step_ends();

  const std::int64_t images = options_.accumulate * training_step_.batch_size();
  epoch_loss_ += loss * static_cast<double>(images);
  epoch_correct_ += training_step_.correct();
  epoch_images_ += images;
  return {now.step + 1,      loss,
          now.learning_rate, training_step_.gradient_norm().value_or(NAN),
          all.count(),       waiting.count()};
}

void Trainer::observe(StepObserver* observer) {
  step_observer_ = observer;
  training_step_.observe(observer);
  validation_.observe(observer);
}

EvaluationRecord Trainer::evaluate() {
  const AveragedScope averaged = evaluated_weights();
  EvaluationRecord record{step_, {}, {}};
  in_phase(step_observer_, Phase::evaluation,
           [&] { record.hard = validation_.run(Deployment::hard); });
  watchdog_.after_deployment(step_, validation_.deployed());
  record.metrics = methods_.measure();
  ++worse_;
  if (record.hard.accuracy > best_accuracy_) {
    worse_ = 0;
    best_accuracy_ = record.hard.accuracy;
    best_step_ = step_;
    best_.save([this](StateVisitor& v) { visit_network(network_, methods_, v); });
  }
  return record;
}

EpochRecord Trainer::close_epoch(const Evaluation& hard) {
  const AveragedScope averaged = evaluated_weights();
  const double images = static_cast<double>(epoch_images_);
  Evaluation soft = hard;
  if (!methods_.empty())
    in_phase(step_observer_, Phase::evaluation, [&] { soft = validation_.run(Deployment::soft); });
  const EpochRecord record{step_ / steps_per_epoch(),
                           step_,
                           epoch_loss_ / images,
                           static_cast<double>(epoch_correct_) / images,
                           soft,
                           hard};
  epoch_loss_ = 0;
  epoch_correct_ = epoch_images_ = 0;
  return record;
}

std::string Trainer::ended_early() const {
  const StopOptions& stop = options_.stop;
  if (step_ == options_.steps) return "";
  if (stop.accuracy && best_accuracy_ >= *stop.accuracy)
    return fmt::format("validation accuracy {} reached at step {}", *stop.accuracy, step_);
  if (stop.patience && worse_ >= *stop.patience)
    return fmt::format("no better validation in {} in a row, at step {}", worse_, step_);
  return "";
}

void Trainer::restore_selected() {
  best_.load([this](StateVisitor& v) { visit_network(network_, methods_, v); });
}

void Trainer::keep() {
  kept_.save([this](StateVisitor& v) { visit_network(network_, methods_, v); });
}

void Trainer::restore_kept() {
  kept_.load([this](StateVisitor& v) { visit_network(network_, methods_, v); });
}

void Trainer::visit(StateVisitor& visitor) {
  {
    const StateScope scope(visitor, "current");
    visit_network(network_, methods_, visitor);
  }
  {
    const StateScope scope(visitor, "optimizer");
    optimizer_.visit(visitor);
  }
  training_step_.average().visit(visitor);
  {
    const StateScope scope(visitor, "progress");
    visitor.integer("step", step_);
    visitor.real("epoch_loss", epoch_loss_);
    visitor.integer("epoch_correct", epoch_correct_);
    visitor.integer("epoch_images", epoch_images_);
    visitor.integer("best_step", best_step_);
    visitor.real("best_accuracy", best_accuracy_);
    visitor.integer("worse", worse_);
  }
  watchdog_.visit(visitor);
  const StateScope scope(visitor, "best");
  best_.visit(visitor);
}

}  // namespace bitwright
