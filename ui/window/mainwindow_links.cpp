// Links of the notes: what a lesson can do to the window. docs/guide/keep.md lists them.
#include "ui/window/mainwindow.h"

#include <algorithm>
#include <array>

#include <QAction>
#include <QDockWidget>
#include <QUrl>

#include "ui/compare/pace.h"
#include "ui/compare/promptpanel.h"
#include "ui/compare/samplingpanel.h"
#include "ui/compare/textcoloring.h"
#include "ui/inspect/forceview.h"
#include "ui/inspect/heatmapview.h"
#include "ui/inspect/inspectionviews.h"
#include "ui/target/subnetworkpanel.h"

namespace flextron::ui {

namespace {

/// The value that goes by a name in links; none for another name.
template <class Value, std::size_t N>
std::optional<Value> named(const std::array<std::pair<const char*, Value>, N>& names, const QString& name)
{
    for (const auto& [known, value] : names) {
        if (name == QLatin1String(known)) return value;
    }
    return std::nullopt;
}

constexpr std::array kQuantities{std::pair("mlp", Quantity::MlpWidth), std::pair("heads", Quantity::Heads),
                                 std::pair("compute", Quantity::ComputeShare), std::pair("ms", Quantity::Milliseconds)};
constexpr std::array kColors{std::pair("none", std::optional<TokenQuantity>()),
                             std::pair("probability", std::optional(TokenQuantity::Probability)),
                             std::pair("surprisal", std::optional(TokenQuantity::Surprisal)),
                             std::pair("compute", std::optional(TokenQuantity::Compute)),
                             std::pair("difference", std::optional(TokenQuantity::LossDifference))};
constexpr std::array kPaces{std::pair("off", Pace::Mode::Off), std::pair("real", Pace::Mode::Real),
                            std::pair("slow10", Pace::Mode::Slow10), std::pair("slow50", Pace::Mode::Slow50),
                            std::pair("step", Pace::Mode::Step)};
constexpr std::array kScopes{std::pair("cell", ForceScope::Cell), std::pair("layer", ForceScope::Row),
                             std::pair("token", ForceScope::Column), std::pair("brush", ForceScope::Brush)};
constexpr std::array kBlocks{std::pair("both", ForceBlocks::Both), std::pair("mlp", ForceBlocks::Mlp),
                             std::pair("heads", ForceBlocks::Attention)};
constexpr std::array kScales{std::pair("share", CostScale::Share), std::pair("ms", CostScale::Milliseconds),
                             std::pair("flops", CostScale::Flops)};
constexpr std::array kLayoutNames{std::pair("teach", MainWindow::Layout::Teach),
                                  std::pair("explore", MainWindow::Layout::Explore),
                                  std::pair("debug", MainWindow::Layout::Debug)};

} // namespace

bool MainWindow::setTargetByLink(const QString& what, const QString& value)
{
    if (!service_->model()) return false;
    if (what == QLatin1String("routing")) {
        const auto routing = parseRouting(value.toStdString());
        return routing.ok() && sub_network_->setRouting(*routing);
    }
    bool ok = false;
    const double number = value.toDouble(&ok); // always with a point, as in files
    if (!ok || !(number >= 0)) return false;
    if (what == QLatin1String("quality")) return sub_network_->setRise(number);
    if (number > 1) return false;
    if (what == QLatin1String("budget")) sub_network_->setBudget(number);
    else if (what == QLatin1String("parameters")) sub_network_->setParameters(number);
    else return false;
    return true;
}

bool MainWindow::setInputByLink(const QString& what, const QString& value)
{
    if (what == QLatin1String("prompt")) {
        prompt_->setPrompt(value);
        return true;
    }
    RunInputs inputs = comparison_->inputs();
    bool ok = false;
    if (what == QLatin1String("tokens")) inputs.max_tokens = value.toInt(&ok);
    else if (what == QLatin1String("temperature")) inputs.sampler.temperature = value.toDouble(&ok);
    else if (what == QLatin1String("seed")) inputs.sampler.seed = value.toULongLong(&ok);
    if (!ok || inputs.max_tokens < 1 || !validateSampler(inputs.sampler).ok()) return false;
    comparison_->setInputs(inputs);
    return true;
}

bool MainWindow::setViewByLink(const QString& what, const QString& value)
{
    const auto use = [](const auto& found, auto&& put) {
        if (found) put(*found);
        return found.has_value();
    };
    if (what == QLatin1String("quantity"))
        return use(named(kQuantities, value), [this](Quantity found) { heatmap()->setQuantity(found); });
    if (what == QLatin1String("color"))
        return use(named(kColors, value), [this](auto found) { inspection_->coloring()->setQuantity(found); });
    if (what == QLatin1String("pace"))
        return use(named(kPaces, value), [this](Pace::Mode found) { pace_->setMode(found); });
    if (what == QLatin1String("force"))
        return use(named(kScopes, value), [this](ForceScope found) { inspection_->force()->setScope(found); });
    if (what == QLatin1String("block"))
        return use(named(kBlocks, value), [this](ForceBlocks found) { inspection_->force()->setBlocks(found); });
    if (what == QLatin1String("scale"))
        return use(named(kScales, value), [this](CostScale found) { sub_network_->setScale(found); });
    if (what == QLatin1String("layout"))
        return use(named(kLayoutNames, value), [this](Layout found) { arrange(found); });
    return false;
}

bool MainWindow::selectByLink(const QString& what, const QString& value)
{
    const SelectionState& now = selection_->state();
    if (what == QLatin1String("pane")) {
        const auto order = comparison_->order();
        const auto found = std::find_if(order.begin(), order.end(), [&](PaneSlot slot) {
            const QString name = slot == PaneSlot::Full   ? QStringLiteral("full")
                                 : slot == PaneSlot::Live ? QStringLiteral("live")
                                                          : comparison_->paneName(slot);
            return name.compare(value, Qt::CaseInsensitive) == 0;
        });
        if (found == order.end() || !comparison_->pane(*found).hasText()) return false;
        selection_->selectToken(*found, std::max(0, now.primary));
        return true;
    }
    bool ok = false;
    const int index = value.toInt(&ok);
    if (!ok || index < 0) return false;
    if (what == QLatin1String("token")) {
        const PaneSlot pane = comparison_->present(now.pane) && comparison_->pane(now.pane).hasText() ? now.pane
                                                                                                      : PaneSlot::Live;
        if (index >= static_cast<int>(comparison_->pane(pane).trace.records.size())) return false;
        selection_->selectToken(pane, index);
        return true;
    }
    if (what != QLatin1String("layer") || !service_->model() || index >= service_->model()->config().numLayers())
        return false;
    selection_->setLayer(index);
    return true;
}

bool MainWindow::showByLink(const QString& what)
{
    const QString name = what + QLatin1String("Dock");
    for (QDockWidget* dock : docks_) {
        if (dock->objectName() != name) continue;
        dock->show();
        dock->raise();
        return true;
    }
    return false;
}

bool MainWindow::followLink(const QString& link)
{
    const QString verb = link.section(QLatin1Char(':'), 0, 0);
    const QString what = link.section(QLatin1Char(':'), 1).section(QLatin1Char('='), 0, 0);
    const QString value = QUrl::fromPercentEncoding(link.section(QLatin1Char('='), 1).toUtf8());
    if (verb == QLatin1String("do")) {
        auto* action = what.isEmpty() ? nullptr : findChild<QAction*>(what);
        if (action == nullptr || !action->isEnabled()) return false;
        action->trigger();
        return true;
    }
    if (verb == QLatin1String("show")) return showByLink(what);
    if (verb == QLatin1String("select")) return selectByLink(what, value);
    return verb == QLatin1String("set") &&
           (setTargetByLink(what, value) || setInputByLink(what, value) || setViewByLink(what, value));
}

} // namespace flextron::ui
