#include "ui/jobs/convertfields.h"

#include <cmath>
#include <limits>

#include <QHBoxLayout>
#include <QLocale>
#include <QPushButton>
#include <QScopedValueRollback>
#include <QVBoxLayout>

#include "ui/parts/askforfile.h"
#include "ui/parts/format.h"
#include "ui/parts/wheelguard.h"

namespace flextron::ui {

namespace {

QString textFilter()
{
    return ConvertFields::tr("Texts (*.txt *.md *.jsonl *.gz *.xz *.zst);;All files (*)");
}

QString countText(std::int64_t count)
{
    return count > 0 ? QLocale().toString(static_cast<qlonglong>(count)) : QString();
}

} // namespace

ConvertFields::ConvertFields(QWidget* parent) : QWidget(parent), form_(new QFormLayout)
{
    what_ = new QComboBox;
    what_->setToolTip(tr("A whole conversion trains narrow widths and routers; sorting alone takes a minute and makes "
                         "every prefix hold what matters most"));
    what_->addItem(tr("Convert: sort, train narrow widths and routers"), static_cast<int>(ConvertPlan::What::Whole));
    what_->addItem(tr("Only sort neurons and heads by importance"), static_cast<int>(ConvertPlan::What::SortOnly));
    texts_ = new FileList(tr("Texts to train on"), tr("Add text files; documents stand apart by a line <|endoftext|>."),
                          textFilter(), true);
    validation_ = new FileList(tr("Validation texts"), tr("None: one document in twenty of the texts is kept for it."),
                               textFilter(), false);
    const auto row = [this](const QString& text, QWidget* field, QWidget* named) {
        auto* label = new QLabel(text);
        label->setBuddy(named);
        if (named->accessibleName().isEmpty()) named->setAccessibleName(QString(text).remove(QLatin1Char('&')));
        form_->addRow(label, field);
    };
    QWidget* base = makeBase();
    length_ = makeLength();
    QWidget* out = makeOut();
    row(tr("&What"), what_, what_);
    row(tr("&Model"), base, base_);
    row(tr("&Texts"), texts_, texts_);
    row(tr("&Validation"), validation_, validation_);
    row(tr("How &long"), length_, by_);
    row(tr("Where t&o"), out, out_);
    advanced_button_ = new QToolButton;
    advanced_button_->setText(tr("Advanced"));
    advanced_button_->setCheckable(true);
    advanced_button_->setArrowType(Qt::RightArrow);
    advanced_button_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    advanced_button_->setAutoRaise(true);
    advanced_button_->setToolTip(tr("Show or hide what seldom needs to be changed"));
    advanced_ = makeAdvanced();
    advanced_->hide();
    connect(advanced_button_, &QToolButton::toggled, this, [this](bool shown) {
        advanced_->setVisible(shown);
        advanced_button_->setArrowType(shown ? Qt::DownArrow : Qt::RightArrow);
    });
    auto* layout = new QVBoxLayout(this);
    layout->addLayout(form_);
    layout->addWidget(advanced_button_);
    layout->addWidget(advanced_);
    layout->addStretch(1);
    form_->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
    connect(what_, &QComboBox::currentIndexChanged, this, &ConvertFields::tell);
    connect(texts_, &FileList::edited, this, &ConvertFields::tell);
    connect(validation_, &FileList::edited, this, &ConvertFields::tell);
    guardFromWheel(this);
    showFitting();
}

QWidget* ConvertFields::makeBase()
{
    auto* widget = new QWidget;
    base_ = new QLineEdit;
    base_->setToolTip(tr("A folder in Hugging Face's layout; it is read, and stays as it is"));
    base_->setPlaceholderText(tr("A model's folder"));
    base_facts_ = new QLabel;
    base_facts_->setWordWrap(true);
    auto* browse = new QPushButton(tr("Browse…"));
    browse->setAccessibleName(tr("Choose the model's folder"));
    auto* row = new QHBoxLayout;
    row->addWidget(base_, 1);
    row->addWidget(browse);
    auto* layout = new QVBoxLayout(widget);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addLayout(row);
    layout->addWidget(base_facts_);
    connect(browse, &QPushButton::clicked, this, [this] {
        askForFile(this, {FileQuestion::Kind::Folder, tr("Model to convert"), {}, {}, {}},
                   [this](const QString& folder) {
                       base_->setText(folder);
                       emit baseChosen(folder);
                   });
    });
    connect(base_, &QLineEdit::textChanged, this, &ConvertFields::tell);
    connect(base_, &QLineEdit::editingFinished, this, [this] { emit baseChosen(base_->text()); });
    return widget;
}

QWidget* ConvertFields::makeLength()
{
    auto* widget = new QWidget;
    by_ = new QComboBox;
    by_->setToolTip(tr("The paper's conversion reads 7.63 % of what the base was trained on"));
    by_->addItem(tr("share of the base's tokens"), true);
    by_->addItem(tr("training tokens"), false);
    share_ = new QDoubleSpinBox;
    share_->setRange(0.01, 1000);
    share_->setDecimals(2);
    share_->setSuffix(tr(" %"));
    share_->setAccessibleName(tr("Share of the base's tokens"));
    of_ = new QLabel(tr("of"));
    base_tokens_ = new QLineEdit;
    base_tokens_->setPlaceholderText(tr("not known; say 26.8M"));
    base_tokens_->setAccessibleName(tr("Tokens that the base was trained on"));
    base_tokens_->setToolTip(tr("Tokens that the base was trained on: 26.8M, 2B"));
    tokens_ = new QLineEdit;
    tokens_->setAccessibleName(tr("Training tokens"));
    tokens_->setToolTip(tr("That all stages together read: 400K, 2M"));
    length_text_ = new QLabel;
    length_text_->setWordWrap(true);
    auto* row = new QHBoxLayout;
    row->addWidget(by_);
    row->addWidget(share_);
    row->addWidget(of_);
    row->addWidget(base_tokens_, 1);
    row->addWidget(tokens_, 1);
    auto* layout = new QVBoxLayout(widget);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addLayout(row);
    layout->addWidget(length_text_);
    connect(by_, &QComboBox::currentIndexChanged, this, &ConvertFields::tell);
    connect(share_, &QDoubleSpinBox::valueChanged, this, &ConvertFields::tell);
    connect(base_tokens_, &QLineEdit::textChanged, this, &ConvertFields::tell);
    connect(tokens_, &QLineEdit::textChanged, this, &ConvertFields::tell);
    return widget;
}

QWidget* ConvertFields::makeOut()
{
    auto* widget = new QWidget;
    out_ = new QLineEdit;
    out_->setToolTip(tr("A folder that does not exist yet; while the job runs, its files are in this name + “.work”"));
    auto* browse = new QPushButton(tr("Browse…"));
    browse->setAccessibleName(tr("Choose where the result goes"));
    auto* layout = new QHBoxLayout(widget);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(out_, 1);
    layout->addWidget(browse);
    connect(out_, &QLineEdit::textChanged, this, &ConvertFields::tell);
    connect(browse, &QPushButton::clicked, this, [this] {
        askForFile(this, {FileQuestion::Kind::Save, tr("Folder for the result"), {}, out_->text(), {}},
                   [this](const QString& folder) { out_->setText(folder); });
    });
    return widget;
}

QSpinBox* ConvertFields::count(const QString& name, const QString& help, int most, const QString& none)
{
    auto* box = new QSpinBox;
    box->setRange(none.isEmpty() ? 1 : 0, most);
    box->setSpecialValueText(none);
    box->setAccessibleName(name);
    box->setToolTip(help);
    advanced_form_->addRow(name, box);
    connect(box, &QSpinBox::valueChanged, this, &ConvertFields::tell);
    return box;
}

QLineEdit* ConvertFields::line(const QString& name, const QString& help, const QString& placeholder)
{
    auto* edit = new QLineEdit;
    edit->setAccessibleName(name);
    edit->setToolTip(help);
    edit->setPlaceholderText(placeholder);
    advanced_form_->addRow(name, edit);
    connect(edit, &QLineEdit::textChanged, this, &ConvertFields::tell);
    return edit;
}

QWidget* ConvertFields::makeAdvanced()
{
    auto* widget = new QWidget;
    advanced_form_ = new QFormLayout(widget);
    const QString chosen = tr("as the program chooses");
    constexpr int kMany = 1'000'000;
    batch_ = count(tr("Sequences a batch"), tr("Half as many take about half the memory"), kMany, {});
    sequence_length_ = count(tr("Sequence length"), tr("Tokens; at most the model's context"), kMany,
                             tr("the context"));
    importance_ = count(tr("Calibration sequences"), tr("On which importance is measured"), kMany, chosen);
    validate_every_ = count(tr("Validate every … steps"),
                            tr("Read the validation texts in between as well, for the run monitor; it takes time"),
                            kMany, tr("at the end of a stage"));
    checkpoint_ = new QDoubleSpinBox;
    checkpoint_->setRange(0, 1e4);
    checkpoint_->setDecimals(1);
    checkpoint_->setSuffix(tr(" min"));
    checkpoint_->setAccessibleName(tr("Save the state every"));
    checkpoint_->setToolTip(tr("What is lost at most when the power fails"));
    advanced_form_->addRow(checkpoint_->accessibleName(), checkpoint_);
    connect(checkpoint_, &QDoubleSpinBox::valueChanged, this, &ConvertFields::tell);
    threads_ = count(tr("Threads"), tr("Of the processor"), 1024, chosen);
    seed_ = count(tr("Seed"), tr("Same seed, same result"), std::numeric_limits<int>::max(), QStringLiteral("0"));
    mlp_choices_ = line(tr("MLP widths"), tr("Ascending, the last one full"), tr("quarters of the full width"));
    head_choices_ = line(tr("Head counts"), tr("Ascending, the last one full; whole groups"),
                         tr("quarters of all heads"));
    budgets_ = line(tr("Stops of the routers"), tr("Shares of the full cost, descending from 1"),
                    QStringLiteral("1,0.9,0.8,…"));
    return widget;
}

void ConvertFields::tell()
{
    if (setting_) return;
    showFitting();
    emit edited();
}

/// Fields that the chosen way needs, and what it comes to.
void ConvertFields::showFitting()
{
    const bool whole = what_->currentData().toInt() == static_cast<int>(ConvertPlan::What::Whole);
    const bool by_share = by_->currentData().toBool();
    form_->labelForField(length_)->setVisible(whole);
    length_->setVisible(whole);
    form_->labelForField(validation_)->setVisible(whole);
    validation_->setVisible(whole);
    for (QWidget* widget : std::initializer_list<QWidget*>{share_, of_, base_tokens_}) widget->setVisible(by_share);
    tokens_->setVisible(!by_share);
    const std::int64_t tokens = plan().trainingTokens();
    length_text_->setText(tokens > 0 ? tr("All stages together read %1.").arg(formatTokens(tokens))
                                     : tr("Nothing can be started before this is known."));
}

void ConvertFields::setPlan(const ConvertPlan& plan)
{
    {
        const QScopedValueRollback setting(setting_, true);
        what_->setCurrentIndex(what_->findData(static_cast<int>(plan.what)));
        base_->setText(plan.base);
        texts_->clear();
        for (const ConvertText& text : plan.texts) texts_->add(text.file, text.share);
        validation_->clear();
        for (const QString& file : plan.validation) validation_->add(file);
        by_->setCurrentIndex(by_->findData(plan.by_share));
        share_->setValue(plan.share * 100);
        base_tokens_->setText(countText(plan.base_tokens));
        tokens_->setText(countText(plan.tokens));
        out_->setText(plan.out);
        batch_->setValue(plan.batch);
        sequence_length_->setValue(plan.sequence_length);
        importance_->setValue(plan.importance_sequences);
        threads_->setValue(plan.threads);
        validate_every_->setValue(plan.validate_every);
        checkpoint_->setValue(plan.checkpoint_minutes);
        seed_->setValue(static_cast<int>(plan.seed));
        mlp_choices_->setText(plan.mlp_choices);
        head_choices_->setText(plan.head_choices);
        budgets_->setText(plan.budgets);
    }
    tell();
}

ConvertPlan ConvertFields::plan() const
{
    ConvertPlan plan;
    plan.what = static_cast<ConvertPlan::What>(what_->currentData().toInt());
    plan.base = base_->text().trimmed();
    const QStringList files = texts_->files();
    for (int i = 0; i < files.size(); ++i) plan.texts.push_back({files[i], texts_->share(i)});
    plan.validation = plan.what == ConvertPlan::What::Whole ? validation_->files() : QStringList();
    plan.by_share = by_->currentData().toBool();
    plan.share = std::round(share_->value() * 100) / 10'000; // two decimals of a per cent, and 7.63 % is 0.0763
    plan.base_tokens = parseTokenCount(base_tokens_->text()).value_or(0);
    plan.tokens = parseTokenCount(tokens_->text()).value_or(0);
    plan.out = out_->text().trimmed();
    plan.batch = batch_->value();
    plan.sequence_length = sequence_length_->value();
    plan.importance_sequences = importance_->value();
    plan.threads = threads_->value();
    plan.validate_every = validate_every_->value();
    plan.checkpoint_minutes = checkpoint_->value();
    plan.seed = static_cast<std::uint64_t>(seed_->value());
    plan.mlp_choices = mlp_choices_->text();
    plan.head_choices = head_choices_->text();
    plan.budgets = budgets_->text();
    return plan;
}

void ConvertFields::setOut(const QString& out)
{
    out_->setText(out);
}

} // namespace flextron::ui
