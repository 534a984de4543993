#include "ui/inspect/tokencard.h"

#include <cmath>

#include <QAction>
#include <QHeaderView>
#include <QLocale>
#include <QVBoxLayout>

#include "ui/data/tokendata.h"
#include "ui/parts/format.h"
#include "ui/parts/tables.h"

namespace flextron::ui {

TokenCard::TokenCard(EngineService* service, Comparison* comparison, Selection* selection, Baseline* baseline,
                     QAction* run_action, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , comparison_(comparison)
    , selection_(selection)
    , baseline_(baseline)
    , run_action_(run_action)
    , continue_action_(new QAction(tr("&Continue from This Token"), this))
{
    continue_action_->setObjectName(QStringLiteral("continueFromToken"));
    continue_action_->setStatusTip(
        tr("Keep the text before the token, put the chosen alternative in its place, and go on in a new pane"));
    continue_action_->setToolTip(continue_action_->statusTip());
    continue_action_->setEnabled(false);
    connect(continue_action_, &QAction::triggered, this, &TokenCard::continueFromRow);
    page_ = new StatePage(makeContent());
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(page_);
    followInspected(comparison_, selection_, this, [this] { refresh(); });
    connect(baseline_, &Baseline::changed, this, &TokenCard::refresh);
    connect(service_, &EngineService::modelLoaded, this, &TokenCard::refresh);
    refresh();
}

QWidget* TokenCard::makeContent()
{
    auto* content = new QWidget;
    head_ = new QLabel;
    QFont strong = font();
    strong.setBold(true);
    head_->setFont(strong);
    head_->setWordWrap(true);
    facts_ = new QLabel;
    facts_->setWordWrap(true);
    for (QLabel* label : {head_, facts_}) label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    model_ = new TopTokensModel(this);
    table_ = new QTableView;
    table_->setObjectName(QStringLiteral("topTokens"));
    table_->setModel(model_);
    setUpTable(table_, tr("Most probable tokens at this place"));
    table_->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    table_->horizontalHeader()->setStretchLastSection(true);
    table_->setMinimumHeight(fontMetrics().height() * 5);
    auto* button = new ActionButton;
    button->setAction(continue_action_);
    continue_button_ = button;
    auto* layout = new QVBoxLayout(content);
    layout->setContentsMargins(0, 0, 0, 0); // the panel has some
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addWidget(head_);
    layout->addWidget(facts_);
    layout->addWidget(table_, 1);
    layout->addWidget(button);
    connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &TokenCard::updateAction);
    connect(table_, &QTableView::activated, this, [this] {
        if (continue_action_->isEnabled()) continueFromRow();
    });
    return content;
}

QString TokenCard::factsOf(const Inspected& inspected) const
{
    const TokenRecord& record = inspected.record();
    const QLocale locale;
    QStringList lines;
    lines << tr("%1, id %2, bytes %3")
                 .arg(record.given ? tr("given") : tr("written"), locale.toString(record.id),
                      QString::fromLatin1(
                          QByteArray(record.bytes.data(), static_cast<qsizetype>(record.bytes.size())).toHex(' ')));
    if (inspected.token == 0) {
        lines << tr("the first token: nothing foretold it");
        return lines.join(QLatin1Char('\n'));
    }
    if (std::isnan(record.logprob)) {
        lines << tr("its probability is not known yet");
        return lines.join(QLatin1Char('\n'));
    }
    lines << tr("probability %1 %, log-probability %2, rank %3")
                 .arg(locale.toString(100 * std::exp(static_cast<double>(record.logprob)), 'f', 2),
                      locale.toString(record.logprob, 'f', 3), locale.toString(record.rank));
    const TokenSource source{&inspected.trace(), baseline_->of(inspected.slot), nullptr};
    const double difference = tokenValue(source, inspected.token, TokenQuantity::LossDifference);
    if (inspected.slot != PaneSlot::Full && !std::isnan(difference))
        lines << tr("loss %1 nats against the full model's")
                     .arg(tokenValueText(difference, TokenQuantity::LossDifference));
    return lines.join(QLatin1Char('\n'));
}

void TokenCard::refresh()
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    const bool shown = showTokenState(page_, service_, *comparison_, inspected,
                                      tr("Here stands how probable a token was, and what else could have been."),
                                      run_action_);
    if (!shown) {
        model_->setTokens({});
        updateAction();
        return;
    }
    const TokenRecord& record = inspected.record();
    head_->setText(tr("Token %1: %2").arg(QLocale().toString(inspected.token), formatToken(record.bytes)));
    facts_->setText(factsOf(inspected));
    const Baseline::View view = baseline_->of(inspected.slot);
    const TokenRecord* full = inspected.token < view.common
                                  ? &view.trace->records[static_cast<std::size_t>(inspected.token)]
                                  : nullptr;
    const ModelInfoPtr& model = service_->model();
    model_->setTokens(topTokensOf(record, full, model ? model->vocabulary.get() : nullptr));
    updateAction();
}

void TokenCard::updateAction()
{
    continue_button_->setVisible(selection_->continuationOffered());
    const QModelIndex row = table_->currentIndex();
    const bool other = row.isValid() && !model_->tokens()[static_cast<std::size_t>(row.row())].chosen;
    continue_action_->setEnabled(other && selection_->continuationOffered());
}

void TokenCard::continueFromRow()
{
    const Inspected inspected = inspectedToken(*comparison_, *selection_);
    const QModelIndex row = table_->currentIndex();
    if (inspected.token < 0 || !row.isValid()) return;
    selection_->requestContinuation(inspected.slot, inspected.token,
                                    model_->tokens()[static_cast<std::size_t>(row.row())].id);
}

} // namespace flextron::ui
