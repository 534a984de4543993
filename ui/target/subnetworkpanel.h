// The sub-network: two sliders over one target.
#pragma once

#include <QComboBox>
#include <QFrame>
#include <QLabel>
#include <QWidget>

#include "ui/data/activeparameters.h"
#include "ui/data/comparison.h"
#include "ui/data/targetmath.h"
#include "ui/parts/statepage.h"
#include "ui/target/targetslider.h"

namespace flextron::ui {

/// One slider drives, the other follows. What stands beside them is what the wish becomes (the best sub-network not
/// above it); the solid handle is what the engine runs.
class SubNetworkPanel final : public QWidget {
    Q_OBJECT

public:
    SubNetworkPanel(EngineService* service, Comparison* comparison, QAction* open_action, QWidget* parent = nullptr);

    [[nodiscard]] TargetSlider* latencySlider() const { return latency_; }
    void setScale(CostScale scale);
    [[nodiscard]] TargetSlider* parameterSlider() const { return parameters_; }
    [[nodiscard]] TargetSlider* qualitySlider() const { return quality_; }
    [[nodiscard]] QString qualityText() const { return quality_value_->text(); }
    [[nodiscard]] QString latencyText() const { return latency_value_->text(); }
    [[nodiscard]] QString askedText() const { return latency_asked_->text(); }
    [[nodiscard]] QString parameterText() const { return parameter_value_->text(); }
    [[nodiscard]] QString cautionText() const { return caution_->isHidden() ? QString() : caution_->text(); }
    /// What is offered below full for a model that was not trained for narrow widths.
    void setPreparing(QAction* convert, QAction* sort);
    /// Puts the latency slider there, as if it had been dragged and let go.
    void setBudget(double share);
    /// Likewise: a share of the full model's parameters.
    void setParameters(double share);
    /// Likewise: the allowed rise of the loss. False where that cannot be asked for.
    bool setRise(double nats);
    /// False for a routing that the model does not have.
    bool setRouting(Routing routing);

private:
    QWidget* makeForm();
    void setModel(const ModelInfoPtr& model);
    void follow(TargetAxis axis, double value, bool commit);
    /// Another than this panel has set the target: undo, a session, a pin.
    void adopt(const Target& target);
    void showTarget();
    void showRunning();
    /// Weights that a token of the live text touches; none where that is not known yet.
    [[nodiscard]] std::optional<double> runningParameters();
    void showParameters();
    void showFollowingParameters();
    void showCaution(bool narrower);
    void setTicks();
    void setQualityTicks();
    void routingChosen();
    void showRunningQuality(std::optional<double> rise);
    void showQuality(std::optional<double> rise, bool between_stops);
    /// What the target becomes, as far as that is known before the engine says it.
    struct Expected {
        Stop stop;           ///< the uniform sub-network; where routers choose, one of about that cost
        double share = 1.0;  ///< of the full model's cost, in the scale that was chosen
        double budget = 1.0; ///< what routers are asked for
        bool full = true;
        bool between = false;       ///< less than was asked for
        std::optional<double> rise; ///< of the loss
    };
    [[nodiscard]] Expected expected() const;
    /// Null where quality cannot be asked for under the routing.
    [[nodiscard]] const QualityCurve* curve() const;
    [[nodiscard]] bool onCurve(double rise) const;
    /// A share of the full model's cost in the scale that was chosen.
    [[nodiscard]] QString costText(double share) const;
    [[nodiscard]] CostScale scale() const;
    [[nodiscard]] bool byFlops() const;
    /// Empty where budgets need no map.
    [[nodiscard]] const std::vector<DynamicStop>& dynamicStops() const;
    bool recount();
    void scaleChosen();
    [[nodiscard]] const std::vector<Stop>& stops(TargetAxis axis) const;
    [[nodiscard]] Routing routing() const;
    void changeEvent(QEvent* event) override;
    void updateColors();

    EngineService* service_;
    Comparison* comparison_;
    ModelInfoPtr model_;
    TargetAxis driver_ = TargetAxis::Latency;
    ActiveParameters active_;       ///< of the live pane
    bool narrower_ = false;         ///< than full
    bool counted_in_flops_ = false; ///< what requested_ is a share of
    double requested_ = 1.0;        ///< along driver_
    StatePage* page_ = nullptr;
    TargetSlider* latency_ = nullptr;
    TargetSlider* parameters_ = nullptr;
    TargetSlider* quality_ = nullptr;
    QLabel* latency_asked_ = nullptr;
    QLabel* parameter_asked_ = nullptr;
    QLabel* quality_asked_ = nullptr;
    QLabel* latency_value_ = nullptr;
    QLabel* parameter_value_ = nullptr;
    QLabel* quality_value_ = nullptr;
    QLabel* widths_ = nullptr;
    QLabel* routing_label_ = nullptr;
    QComboBox* routing_ = nullptr;
    QComboBox* scale_ = nullptr;
    QLabel* caution_ = nullptr;
    ActionButton* convert_ = nullptr;
    ActionButton* sort_ = nullptr;
};

} // namespace flextron::ui
