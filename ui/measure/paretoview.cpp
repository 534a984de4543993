#include "ui/measure/paretoview.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <QFileInfo>
#include <QHBoxLayout>
#include <QLocale>
#include <QVBoxLayout>

#include <qcustomplot.h>

#include "engine/base/files.h"
#include "ui/parts/askforfile.h"
#include "ui/parts/colors.h"
#include "ui/parts/elsewhere.h"
#include "ui/parts/format.h"
#include "ui/parts/plots.h"
#include "ui/parts/viewaction.h"
#include "ui/service/panesource.h"

namespace flextron::ui {

namespace {

constexpr std::size_t kTokens = 1024; // of the text: a point of the bundled model takes about a second
constexpr double kReachPixels = 12;   // how near to a point the mouse must be

constexpr std::uint64_t kMostBytes = 256U << 20; // of a text

/// The first tokens of the text; of a long one no more bytes than these can be.
std::vector<TokenId> firstTokens(const LoadedModel& model, std::string text)
{
    constexpr std::size_t kBytesPerToken = 16;
    if (!model.tokenizer)
        throw Failure(ErrorCode::Unsupported, model.name + ": a text cannot be read without a tokenizer",
                      "Put tokenizer.model or tokenizer.json into the model's folder.");
    std::size_t end = std::min(text.size(), kTokens * kBytesPerToken);
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end; // whole characters
    text.resize(end);
    auto ids = model.tokenizer->encode(text).orThrow();
    ids.resize(std::min(ids.size(), kTokens));
    return ids;
}

} // namespace

ParetoView::ParetoView(EngineService* service, Comparison* comparison, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
    , inquiry_(service, QStringLiteral("pareto"), this, [this](const Result<ParetoPoint>& point) { onPoint(point); })
{
    makeActions();
    page_ = new StatePage(makeContent());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    connect(service_, &EngineService::modelLoaded, this, [this] {
        waiting_.clear();
        points_.clear();
        current_.reset();
        ids_.reset();
        stale_ = false;
        error_.reset();
        redraw();
        updateState();
    });
    connect(service_, &EngineService::modelChanged, this, [this] {
        stale_ = !points_.empty();
        updateState();
    });
    setText({}, {});
    updateColors();
    updateState();
}

ParetoView::~ParetoView() = default;

void ParetoView::makeActions()
{
    measure_action_ = viewAction(this, "paretoMeasure", tr("&Measure Quality Against Cost"),
                                 tr("Read a text with every stop of the slider, every routing and every pin"));
    cancel_action_ = viewAction(this, "paretoCancel", tr("&Cancel Measuring Quality"),
                                tr("Stop; the points measured so far stay"));
    text_action_ = viewAction(this, "paretoText", tr("Measure on Another &Text…"),
                              tr("Choose the text that quality is measured on"));
    connect(measure_action_, &QAction::triggered, this, &ParetoView::measure);
    connect(cancel_action_, &QAction::triggered, this, &ParetoView::cancel);
    connect(text_action_, &QAction::triggered, this, [this] {
        askForFile(this,
                   {FileQuestion::Kind::Open,
                    tr("Text to measure quality on"),
                    tr("Texts (*.txt *.md);;All files (*)"),
                    {},
                    {}},
                   [this](const QString& file) { openText(file); });
    });
}

QWidget* ParetoView::makeContent()
{
    auto* content = new QWidget;
    makePlot();
    readout_ = new QLabel;
    readout_->setWordWrap(true);
    readout_->setMinimumHeight(2 * fontMetrics().lineSpacing());
    readout_->setAlignment(Qt::AlignTop | Qt::AlignLeft);
    auto* layout = new QVBoxLayout(content);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addWidget(plot_, 1);
    layout->addWidget(readout_);
    return content;
}

void ParetoView::makePlot()
{
    plot_ = new QCustomPlot;
    plot_->setObjectName(QStringLiteral("paretoPlot"));
    plot_->setAccessibleName(tr("Loss against cost"));
    plot_->setFocusPolicy(Qt::StrongFocus);
    plot_->setMouseTracking(true);
    plot_->installEventFilter(this);
    plot_->setMinimumHeight(fontMetrics().height() * 8);
    plot_->axisRect()->setupFullAxesBox();
    for (QCPAxis* axis : {plot_->xAxis2, plot_->yAxis2}) axis->setTicks(false);
    keepNumbersApart(plot_);
    plot_->yAxis->setLabel(tr("loss, nats"));
    front_ = plot_->addGraph();
    front_->setLineStyle(QCPGraph::lsStepLeft);
    front_->removeFromLegend();
    const std::vector<std::pair<ParetoKind, QCPScatterStyle::ScatterShape>> shapes{
        {ParetoKind::Uniform, QCPScatterStyle::ssCircle},
        {ParetoKind::Static, QCPScatterStyle::ssSquare},
        {ParetoKind::Dynamic, QCPScatterStyle::ssDiamond},
        {ParetoKind::Pinned, QCPScatterStyle::ssTriangle}};
    for (const auto& [kind, shape] : shapes) {
        QCPGraph* graph = plot_->addGraph();
        graph->setLineStyle(QCPGraph::lsNone);
        graph->setScatterStyle(QCPScatterStyle(shape, fontMetrics().height() * 0.6));
        graph->setName(paretoKindName(kind));
        graphs_[kind] = graph;
        auto* bars = new QCPErrorBars(plot_->xAxis, plot_->yAxis);
        bars->removeFromLegend();
        bars->setDataPlottable(graph);
        errors_[kind] = bars;
    }
    marker_ = plot_->addGraph();
    marker_->setLineStyle(QCPGraph::lsNone);
    marker_->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssCircle, fontMetrics().height() * 1.1));
    marker_->removeFromLegend();
    putLegendAbove(plot_);
}

void ParetoView::setText(const QString& name, const std::string& text)
{
    text_name_ = name.isEmpty() ? tr("the tales that come with the program") : name;
    text_ = text;
    ids_.reset();
    stale_ = !points_.empty();
    updateState();
}

void ParetoView::openText(const QString& file)
{
    elsewhere(
        this, [file] { return readFile(file.toStdString(), kMostBytes); },
        [this, file](const Result<std::string>& text) {
            if (text.ok()) {
                setText(QFileInfo(file).fileName(), *text);
                return;
            }
            error_ = text.error();
            updateState();
        });
}

void ParetoView::measure()
{
    if (!service_->model()) return;
    points_.clear();
    current_.reset();
    error_.reset();
    stale_ = false;
    waiting_ = paretoRequests(*service_->model(), comparison_->pins());
    std::reverse(waiting_.begin(), waiting_.end());
    asked_ = waiting_.size();
    if (!ids_) ids_ = std::make_shared<std::vector<TokenId>>();
    redraw();
    measureNext();
}

void ParetoView::measureNext()
{
    if (!waiting_.empty()) {
        const ParetoRequest request = waiting_.back();
        waiting_.pop_back();
        inquiry_.ask([request, ids = ids_, text = text_](const auto& model, const ProgressFn& progress,
                                                         const CancelToken& cancel) -> Result<ParetoPoint> {
            return guarded([&] {
                if (ids->empty())
                    *ids = firstTokens(
                        *model, text.empty() ? readFile(resourceFolder() / "corpus" / "tales.txt").orThrow() : text);
                return measurePoint(*modelOf(request.choice, model), request, *ids, progress, cancel).orThrow();
            });
        });
    }
    updateState();
}

void ParetoView::cancel()
{
    waiting_.clear();
    inquiry_.forget();
    updateState();
}

void ParetoView::onPoint(const Result<ParetoPoint>& point)
{
    if (point.ok()) {
        points_.push_back(*point);
        redraw();
    } else {
        waiting_.clear();
        if (point.error().code != ErrorCode::Cancelled) error_ = point.error();
    }
    measureNext();
}

void ParetoView::redraw()
{
    for (auto& [kind, graph] : graphs_) {
        graph->data()->clear();
        QVector<double> errors;
        for (const ParetoPoint& point : points_) {
            if (point.request.kind == kind) graph->addData(point.cost(), point.loss);
        }
        // The graph keeps its points by rising cost; the bars must stand in the same order.
        std::vector<const ParetoPoint*> order;
        for (const ParetoPoint& point : points_) {
            if (point.request.kind == kind) order.push_back(&point);
        }
        std::stable_sort(order.begin(), order.end(),
                         [](const ParetoPoint* a, const ParetoPoint* b) { return a->cost() < b->cost(); });
        for (const ParetoPoint* point : order) errors.append(point->standard_error);
        errors_[kind]->setData(errors);
        const bool any = !order.empty();
        graph->setVisible(any);
        if (any) graph->addToLegend();
        else graph->removeFromLegend();
    }
    front_->data()->clear();
    for (const std::size_t index : paretoFront(points_)) front_->addData(points_[index].cost(), points_[index].loss);
    const bool table = !points_.empty() && !std::isnan(points_.front().ms);
    plot_->xAxis->setLabel(table ? tr("ms a token, predicted") : tr("share of full FLOPs"));
    if (!points_.empty()) {
        double low = std::numeric_limits<double>::infinity();
        double high = -low;
        double cost = 0;
        for (const ParetoPoint& point : points_) {
            low = std::min(low, point.loss - point.standard_error);
            high = std::max(high, point.loss + point.standard_error);
            cost = std::max(cost, point.cost());
        }
        const double room = std::max(0.05, 0.08 * (high - low));
        plot_->xAxis->setRange(0, cost * 1.05);
        plot_->yAxis->setRange(low - room, high + room);
    }
    showPoint(current_);
}

void ParetoView::updateState()
{
    const bool measuring = inquiry_.waiting();
    measure_action_->setEnabled(service_->model() && !measuring);
    cancel_action_->setEnabled(measuring);
    if (!service_->model()) {
        page_->showNoModel(service_, tr("Open a model to see what quality costs on this device."));
    } else if (error_ && points_.empty()) {
        page_->showError(tr("Quality could not be measured"), *error_, measure_action_);
    } else if (points_.empty() && measuring) {
        page_->showLoading(tr("Measuring"), {tr("reading %1").arg(text_name_), 0, asked_, tr("points")},
                           cancel_action_);
    } else if (points_.empty()) {
        page_->showEmpty(
            tr("Nothing measured yet"),
            tr("Every stop of the slider, every routing and every pin reads %1 (%2 tokens); then each is a "
               "point here: its loss against its time.")
                .arg(text_name_, QLocale().toString(static_cast<qulonglong>(kTokens))),
            measure_action_);
    } else if (measuring) {
        page_->showStale(tr("Measuring: %1 of %2 points")
                             .arg(QLocale().toString(static_cast<qulonglong>(points_.size())),
                                  QLocale().toString(static_cast<qulonglong>(asked_))),
                         cancel_action_);
    } else if (stale_) {
        page_->showStale(tr("Out of date: the latency table or the text has changed."), measure_action_);
    } else if (points_.size() < asked_) {
        page_->showStale(tr("Stopped: %1 of %2 points are there.")
                             .arg(QLocale().toString(static_cast<qulonglong>(points_.size())),
                                  QLocale().toString(static_cast<qulonglong>(asked_))),
                         measure_action_);
    } else {
        page_->showContent();
    }
}

void ParetoView::showPoint(std::optional<std::size_t> index)
{
    if (index && *index >= points_.size()) index.reset();
    current_ = index;
    marker_->data()->clear();
    if (index) marker_->addData(points_[*index].cost(), points_[*index].loss);
    const QString text = index ? describePoint(points_[*index])
                         : points_.empty()
                             ? QString()
                             : tr("On %1, %2 tokens. The line is what nothing beats; a click runs a point.")
                                   .arg(text_name_, QLocale().toString(static_cast<qlonglong>(points_.front().tokens)));
    readout_->setText(text);
    plot_->setAccessibleDescription(text);
    plot_->replot(QCustomPlot::rpQueuedReplot);
}

void ParetoView::choose(std::size_t index)
{
    if (index >= points_.size()) return;
    showPoint(index);
    const PaneChoice& choice = points_[index].request.choice;
    if (choice.overrides != comparison_->overrides()) comparison_->setOverrides(choice.overrides);
    comparison_->commitTarget(choice.target);
}

std::optional<std::size_t> ParetoView::nearest(QPointF position) const
{
    std::optional<std::size_t> found;
    double reach = kReachPixels;
    for (std::size_t i = 0; i < points_.size(); ++i) {
        const double dx = plot_->xAxis->coordToPixel(points_[i].cost()) - position.x();
        const double dy = plot_->yAxis->coordToPixel(points_[i].loss) - position.y();
        if (const double distance = std::hypot(dx, dy); distance < reach) {
            reach = distance;
            found = i;
        }
    }
    return found;
}

// Left and right go through the points by cost.
bool ParetoView::handleKey(int key)
{
    if (points_.empty()) return false;
    if (key == Qt::Key_Return || key == Qt::Key_Enter || key == Qt::Key_Space) {
        if (current_) choose(*current_);
        return current_.has_value();
    }
    if (key != Qt::Key_Left && key != Qt::Key_Right) return false;
    std::vector<std::size_t> order(points_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [this](std::size_t a, std::size_t b) { return points_[a].cost() < points_[b].cost(); });
    if (!current_) {
        showPoint(order.front());
        return true;
    }
    const auto at = std::find(order.begin(), order.end(), *current_) - order.begin();
    const auto next = std::clamp<std::ptrdiff_t>(at + (key == Qt::Key_Right ? 1 : -1), 0, std::ssize(order) - 1);
    showPoint(order[static_cast<std::size_t>(next)]);
    return true;
}

bool ParetoView::eventFilter(QObject* watched, QEvent* event)
{
    if (event->type() == QEvent::KeyPress) return handleKey(static_cast<QKeyEvent*>(event)->key());
    if (event->type() == QEvent::MouseMove) showPoint(nearest(static_cast<QMouseEvent*>(event)->position()));
    if (event->type() == QEvent::MouseButtonRelease) {
        const auto index = nearest(static_cast<QMouseEvent*>(event)->position());
        if (index) choose(*index);
    }
    return QWidget::eventFilter(watched, event);
}

void ParetoView::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) updateColors();
}

void ParetoView::updateColors()
{
    stylePlot(plot_, palette(), font());
    // Shapes tell the kinds apart; colours only help.
    const bool dark = isDark(palette());
    const std::map<ParetoKind, QColor> colors{{ParetoKind::Uniform, palette().color(QPalette::Text)},
                                              {ParetoKind::Static, dark ? QColor(0xff78a9d1) : QColor(0xff1c4a86)},
                                              {ParetoKind::Dynamic, dark ? QColor(0xffdf9a5b) : QColor(0xff8f430b)},
                                              {ParetoKind::Pinned, dark ? QColor(0xff76c162) : QColor(0xff2a7a3f)}};
    for (auto& [kind, graph] : graphs_) {
        QCPScatterStyle style = graph->scatterStyle();
        style.setPen(QPen(colors.at(kind), 1.5));
        style.setBrush(palette().color(QPalette::Base));
        graph->setScatterStyle(style);
        errors_[kind]->setPen(QPen(colors.at(kind)));
    }
    front_->setPen(QPen(quietColor(palette()), 1, Qt::DashLine));
    QCPScatterStyle style = marker_->scatterStyle();
    style.setPen(QPen(palette().color(QPalette::Highlight), 2.5));
    marker_->setScatterStyle(style);
    plot_->replot(QCustomPlot::rpQueuedReplot);
}

} // namespace flextron::ui
