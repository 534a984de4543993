#include "ui/compare/splitcard.h"

#include <algorithm>
#include <cmath>

#include <QHeaderView>
#include <QLocale>
#include <QPushButton>
#include <QVBoxLayout>

#include "ui/parts/format.h"

namespace flextron::ui {

namespace {
constexpr int kRows = 5;
constexpr int kColumnCount = 2; // the full model's, the pane's
} // namespace

SplitCard::SplitCard(EngineService* service, Comparison* comparison, Selection* selection, QWidget* parent)
    : QFrame(parent, Qt::Popup)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
    , heading_(new QLabel)
    , table_(new QTableWidget(kRows, kColumnCount))
{
    setFrameShape(QFrame::StyledPanel);
    heading_->setWordWrap(true);
    table_->setAccessibleName(tr("What either model thought of the token at which the texts part"));
    table_->verticalHeader()->hide();
    table_->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
    table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
    table_->setSelectionMode(QAbstractItemView::NoSelection);
    table_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    table_->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    auto* select = new QPushButton(tr("Select this token"));
    connect(select, &QPushButton::clicked, this, [this] {
        if (const auto at = comparison_->splitRecord(slot_)) selection_->selectToken(slot_, *at);
        close();
    });
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(heading_);
    layout->addWidget(table_);
    layout->addWidget(select, 0, Qt::AlignRight);
}

void SplitCard::fillColumn(int column, const TokenRecord& record)
{
    const QLocale locale;
    for (int row = 0; row < kRows; ++row) {
        auto* item = new QTableWidgetItem;
        if (row < static_cast<int>(record.top.size())) {
            const TokenProbability& entry = record.top[static_cast<std::size_t>(row)];
            const bool chosen = entry.id == record.id;
            const ModelInfoPtr& model = service_->model();
            const bool known = model && model->vocabulary && entry.id < model->vocabulary->vocabSize();
            const QString text = known ? formatToken(model->vocabulary->tokenBytes(entry.id))
                                       : locale.toString(entry.id);
            item->setText(tr("%1  %2 %%3")
                              .arg(text, locale.toString(100 * std::exp(static_cast<double>(entry.logprob)), 'f', 1),
                                   chosen ? tr("  ← written") : QString()));
            QFont font = table_->font();
            font.setBold(chosen);
            item->setFont(font);
        }
        table_->setItem(row, column, item);
    }
}

QString SplitCard::cellText(int row, int column) const
{
    const QTableWidgetItem* item = table_->item(row, column);
    return item != nullptr ? item->text() : QString();
}

void SplitCard::showFor(PaneSlot slot, QWidget* anchor)
{
    const auto at = comparison_->splitRecord(slot);
    if (!at) return;
    slot_ = slot;
    const auto index = static_cast<std::size_t>(*at);
    heading_->setText(tr("New token %1: up to here both read the same. What either holds for likely:")
                          .arg(QLocale().toString(*comparison_->divergence(slot) + 1)));
    table_->setHorizontalHeaderLabels({comparison_->paneName(PaneSlot::Full), comparison_->paneName(slot)});
    fillColumn(0, comparison_->pane(PaneSlot::Full).trace.records[index]);
    fillColumn(1, comparison_->pane(slot).trace.records[index]);
    const int width = fontMetrics().averageCharWidth() * 60;
    int height = table_->horizontalHeader()->sizeHint().height() + 2 * table_->frameWidth();
    for (int row = 0; row < kRows; ++row) height += table_->rowHeight(row);
    table_->setFixedSize(width, height);
    adjustSize();
    move(anchor->mapToGlobal(QPoint(anchor->width() - this->width(), anchor->height())));
    show();
}

} // namespace flextron::ui
