#include "ui/figures/figuredialog.h"

#include <QDialogButtonBox>
#include <QFormLayout>
#include <QScrollArea>
#include <QVBoxLayout>

#include <qcustomplot.h>

#include "ui/figures/figures.h"
#include "ui/parts/elsewhere.h"

namespace flextron::ui {

namespace {
constexpr double kScreenDots = 96; // an inch, before the screen's scale
} // namespace

FigureDialog::FigureDialog(FigureSource source, const QList<QCustomPlot*>& plots, QJsonObject origin, QWidget* parent)
    : QDialog(parent)
    , source_(std::make_shared<const FigureSource>(std::move(source)))
    , origin_(std::move(origin))
    , view_(new QComboBox)
    , width_(new QComboBox)
    , format_(new QComboBox)
    , data_(new QCheckBox(tr("With the &numbers (CSV) and where they come from (JSON)")))
    , preview_(new QLabel)
    , problem_(new QLabel)
{
    setWindowTitle(tr("Export a figure"));
    setObjectName(QStringLiteral("figureDialog"));
    listViews(plots);
    width_->addItem(tr("One column, 84 mm"), kColumnMm);
    width_->addItem(tr("Both columns, 174 mm"), kPageMm);
    width_->setToolTip(tr("Width on the paper; type is 8 points in either"));
    for (const char* ending : {"svg", "pdf", "png"})
        format_->addItem(QString::fromLatin1(ending).toUpper(), QLatin1String(ending));
    format_->setToolTip(tr("SVG and PDF can be enlarged; PNG has 300 dots an inch"));
    data_->setChecked(true);
    data_->setToolTip(
        tr("Two more files of the same name: every number behind the figure, and the command, model, seed "
           "and version that made it"));
    view_->setToolTip(tr("Of the selected pane, token and layer"));
    preview_->setAccessibleName(tr("Preview of the figure"));
    preview_->setAlignment(Qt::AlignCenter);
    problem_->setWordWrap(true);
    problem_->setTextFormat(Qt::PlainText);
    makeLayout();
    for (QComboBox* box : {view_, width_}) connect(box, &QComboBox::currentIndexChanged, this, &FigureDialog::redraw);
    redraw();
}

void FigureDialog::listViews(const QList<QCustomPlot*>& plots)
{
    if (!source_->traces.empty()) {
        for (const FigureView view : kFigureViews) view_->addItem(figureViewName(view), figureViewId(view));
    }
    for (QCustomPlot* plot : plots) {
        plots_ << plot;
        view_->addItem(tr("%1, as shown").arg(plot->accessibleName()), plot->objectName());
    }
}

void FigureDialog::makeLayout()
{
    auto* form = new QFormLayout;
    form->addRow(tr("&View:"), view_);
    form->addRow(tr("&Width:"), width_);
    form->addRow(tr("&Kind of file:"), format_);
    form->addRow(data_);
    auto* scroll = new QScrollArea;
    scroll->setWidget(preview_);
    scroll->setWidgetResizable(true);
    scroll->setAccessibleName(tr("Preview"));
    scroll->setMinimumSize(fontMetrics().height() * 42, fontMetrics().height() * 16);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Save | QDialogButtonBox::Cancel);
    save_ = buttons->button(QDialogButtonBox::Save);
    save_->setText(tr("&Save…"));
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* layout = new QVBoxLayout(this);
    layout->addLayout(form);
    layout->addWidget(problem_);
    layout->addWidget(scroll, 1);
    layout->addWidget(buttons);
}

void FigureDialog::setView(const QString& id)
{
    view_->setCurrentIndex(view_->findData(id));
}

void FigureDialog::setWidthMm(double width)
{
    width_->setCurrentIndex(width_->findData(width));
}

double FigureDialog::widthMm() const
{
    return width_->currentData().toDouble();
}

QString FigureDialog::ending() const
{
    return format_->currentData().toString();
}

void FigureDialog::redraw()
{
    figure_.reset();
    save_->setEnabled(false);
    problem_->setText(tr("Drawing…"));
    const int asked = ++asked_;
    const double width = widthMm();
    const double dots = kScreenDots * devicePixelRatioF();
    const auto then = [this, asked](const Drawing& drawing) {
        if (asked == asked_) show(drawing);
    };
    if (const auto view = parseFigureView(view_->currentData().toString())) {
        elsewhere(
            this,
            [source = source_, view, width, dots] {
                const auto figure = makeFigure(*view, *source);
                if (!figure.ok()) return Drawing{{}, {}, figure.error()};
                return Drawing{*figure, figureImage(*figure, width, dots), {}};
            },
            then);
        return;
    }
    for (const QPointer<QCustomPlot>& plot : plots_) {
        if (!plot || plot->objectName() != view_->currentData().toString()) continue;
        const Figure figure = plotFigure(plot, width);
        show({figure, figureImage(figure, width, dots), {}});
        return;
    }
    show(
        {{}, {}, {ErrorCode::NotFound, tr("There is nothing to draw.").toStdString(), tr("Run first.").toStdString()}});
}

void FigureDialog::show(const Drawing& drawing)
{
    figure_ = drawing.figure;
    save_->setEnabled(figure_.has_value());
    if (figure_) {
        QPixmap picture = QPixmap::fromImage(drawing.preview);
        picture.setDevicePixelRatio(devicePixelRatioF());
        preview_->setPixmap(picture);
        problem_->clear();
    } else {
        preview_->clear();
        problem_->setText(QString::fromStdString(drawing.error.message + "\n" + drawing.error.hint));
    }
    emit drawn();
}

} // namespace flextron::ui
