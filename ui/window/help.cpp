#include "ui/window/help.h"

#include <array>

#include <QApplication>
#include <QCoreApplication>
#include <QHeaderView>
#include <QLineEdit>
#include <QVBoxLayout>
#include <QWhatsThis>

#include "ui/window/commandpalette.h"

namespace flextron::ui {

namespace {

constexpr auto kTerms = std::to_array<Term>({
    {QT_TRANSLATE_NOOP("Glossary", "Elastic model"),
     QT_TRANSLATE_NOOP("Glossary", "One set of weights that holds many networks, each inside the next wider one."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: nested elastic MLP and attention")},
    {QT_TRANSLATE_NOOP("Glossary", "Sub-network"),
     QT_TRANSLATE_NOOP("Glossary",
                       "A member of the family: in each layer, the first so many neurons of the MLP and the "
                       "first so many attention heads."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: nested elastic layers")},
    {QT_TRANSLATE_NOOP("Glossary", "Width"),
     QT_TRANSLATE_NOOP("Glossary", "How many neurons or heads a layer uses for a token."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: nested elastic layers")},
    {QT_TRANSLATE_NOOP("Glossary", "Neuron"),
     QT_TRANSLATE_NOOP("Glossary", "One hidden unit of a layer's MLP. They are sorted: the first ones matter most."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: importance ranking and permutation")},
    {QT_TRANSLATE_NOOP("Glossary", "Head"),
     QT_TRANSLATE_NOOP("Glossary",
                       "One attention head of a layer; with grouped keys and values, heads go by whole groups."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron; groups are our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "Router"),
     QT_TRANSLATE_NOOP("Glossary", "A small network that chooses the widths from a target, and, when dynamic, from the "
                                   "token at hand."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: static and input-adaptive routing")},
    {QT_TRANSLATE_NOOP("Glossary", "Dynamic"),
     QT_TRANSLATE_NOOP("Glossary", "Routers choose the widths for each token, layer by layer."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: input-adaptive routing")},
    {QT_TRANSLATE_NOOP("Glossary", "Static"),
     QT_TRANSLATE_NOOP("Glossary", "A router chooses one sub-network for the whole text, from the target alone."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: static routing")},
    {QT_TRANSLATE_NOOP("Glossary", "Uniform"),
     QT_TRANSLATE_NOOP("Glossary", "The same widths in every layer, found from the cost alone; needs no router."),
     QT_TRANSLATE_NOOP("Glossary", "Our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "Budget"),
     QT_TRANSLATE_NOOP("Glossary",
                       "The share of the full model's time a token that is asked for. 1 is the full model."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: latency target; as a share, our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "Trained stop"),
     QT_TRANSLATE_NOOP("Glossary",
                       "A budget that the routers were trained for. Between two stops their target is a blend "
                       "of both: interpolated."),
     QT_TRANSLATE_NOOP("Glossary", "Later work of the same group")},
    {QT_TRANSLATE_NOOP("Glossary", "Floor"),
     QT_TRANSLATE_NOOP("Glossary", "The narrowest choice in every layer: no target below it can be met."),
     QT_TRANSLATE_NOOP("Glossary", "Our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "Perplexity"),
     QT_TRANSLATE_NOOP("Glossary",
                       "The loss as a number of equally likely tokens to choose from: e to the power of the "
                       "loss in nats."),
     QT_TRANSLATE_NOOP("Glossary", "Common")},
    {QT_TRANSLATE_NOOP("Glossary", "Surrogate"),
     QT_TRANSLATE_NOOP("Glossary", "A small network that foretells how the loss rises for a choice of widths, without "
                                   "running the model."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: surrogate model")},
    {QT_TRANSLATE_NOOP("Glossary", "Latency table"),
     QT_TRANSLATE_NOOP("Glossary",
                       "What each width costs on this device, measured once; the time of any sub-network is "
                       "predicted from it."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: latency look-up table; its form is our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "FLOPs"),
     QT_TRANSLATE_NOOP("Glossary",
                       "Multiplications and additions a token takes: counted, not measured. They stand in for "
                       "time until a table is there."),
     QT_TRANSLATE_NOOP("Glossary", "Our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "Alone"),
     QT_TRANSLATE_NOOP("Glossary",
                       "Panes that write together share each step. Alone is what one of them takes by itself: "
                       "predicted from the table, or measured."),
     QT_TRANSLATE_NOOP("Glossary", "Our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "Agreement"),
     QT_TRANSLATE_NOOP("Glossary",
                       "How often a sub-network's most probable token is the full model's, both reading the "
                       "full model's text; with its standard error, over n tokens."),
     QT_TRANSLATE_NOOP("Glossary", "Our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "KL"),
     QT_TRANSLATE_NOOP("Glossary",
                       "How far a sub-network's probabilities are from the full model's, in nats; 0 is the same."),
     QT_TRANSLATE_NOOP("Glossary", "Kullback and Leibler, 1951; its use here is our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "Loss"),
     QT_TRANSLATE_NOOP("Glossary",
                       "How surprised a model is by a token, in nats: minus the logarithm of its probability."),
     QT_TRANSLATE_NOOP("Glossary", "Flextron: what the family is trained on")},
    {QT_TRANSLATE_NOOP("Glossary", "Split"),
     QT_TRANSLATE_NOOP("Glossary", "The first new token at which a text leaves the full model's."),
     QT_TRANSLATE_NOOP("Glossary", "Our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "Keys and values"),
     QT_TRANSLATE_NOOP("Glossary",
                       "What attention remembers of the tokens before. They are kept for all heads, so that a "
                       "text can become wider at any token."),
     QT_TRANSLATE_NOOP("Glossary", "Our choice")},
    {QT_TRANSLATE_NOOP("Glossary", "Temperature"),
     QT_TRANSLATE_NOOP("Glossary",
                       "0 takes the most probable token each time; above it tokens are drawn, with noise that "
                       "is the same in every pane."),
     QT_TRANSLATE_NOOP("Glossary", "The noise is our choice")},
});

} // namespace

std::span<const Term> glossaryTerms()
{
    return kTerms;
}

QString helpFor(const QWidget* widget)
{
    for (const QWidget* at = widget; at != nullptr; at = at->parentWidget()) {
        if (!at->whatsThis().isEmpty()) return at->whatsThis();
        if (!at->toolTip().isEmpty()) return at->toolTip();
        if (at->isWindow()) break;
    }
    return {};
}

void showHelp(QMainWindow* window)
{
    const QWidget* focus = QApplication::focusWidget();
    const QWidget* widget = focus != nullptr ? focus : window;
    const QString help = helpFor(widget);
    if (!help.isEmpty()) QWhatsThis::showText(widget->mapToGlobal(widget->rect().center()), help);
    else QWhatsThis::enterWhatsThisMode();
}

Glossary::Glossary(QWidget* parent) : QDialog(parent), table_(new QTableWidget)
{
    setObjectName(QStringLiteral("glossary"));
    setWindowTitle(tr("Terms on the Screen"));
    const auto text = [](const char* source) { return QCoreApplication::translate("Glossary", source); };
    table_->setAccessibleName(tr("Terms, what they mean, and where they come from"));
    table_->setColumnCount(3);
    table_->setHorizontalHeaderLabels({tr("Term"), tr("Meaning"), tr("From")});
    table_->verticalHeader()->hide();
    table_->setEditTriggers(QAbstractItemView::NoEditTriggers);
    table_->setWordWrap(true);
    table_->setRowCount(static_cast<int>(kTerms.size()));
    int row = 0;
    for (const Term& term : kTerms) {
        table_->setItem(row, 0, new QTableWidgetItem(text(term.name)));
        table_->setItem(row, 1, new QTableWidgetItem(text(term.meaning)));
        table_->setItem(row, 2, new QTableWidgetItem(text(term.place)));
        ++row;
    }
    auto* find = new QLineEdit;
    find->setPlaceholderText(tr("Find"));
    find->setAccessibleName(tr("Find a term"));
    connect(find, &QLineEdit::textChanged, this, [this](const QString& typed) {
        for (int at = 0; at < table_->rowCount(); ++at)
            table_->setRowHidden(
                at, !matches(typed, table_->item(at, 0)->text() + QLatin1Char(' ') + table_->item(at, 1)->text()));
    });
    auto* layout = new QVBoxLayout(this);
    layout->addWidget(find);
    layout->addWidget(table_);
    resize(fontMetrics().averageCharWidth() * 130, fontMetrics().height() * 32);
    table_->setColumnWidth(0, fontMetrics().averageCharWidth() * 22);
    table_->setColumnWidth(1, fontMetrics().averageCharWidth() * 64);
    table_->horizontalHeader()->setStretchLastSection(true);
    table_->resizeRowsToContents();
}

} // namespace flextron::ui
