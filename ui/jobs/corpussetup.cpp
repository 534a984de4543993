#include "ui/jobs/corpussetup.h"

#include <optional>

#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLocale>
#include <QSet>
#include <QVBoxLayout>

#include "engine/base/files.h"
#include "ui/parts/askforfile.h"
#include "ui/parts/colors.h"

namespace flextron::ui {

namespace {

/// Of what was typed, in the person's or the C locale; nothing for what is no list of shares.
std::optional<QStringList> stopsOf(const QString& text)
{
    QStringList stops;
    for (const QString& part : text.split(QLatin1Char(','), Qt::SkipEmptyParts)) {
        bool ok = false;
        const double stop = QLocale::c().toDouble(part.trimmed(), &ok);
        if (!ok || stop <= 0 || stop > 1) return std::nullopt;
        stops << part.trimmed();
    }
    return stops;
}

} // namespace

QStringList corpusArguments(const QString& model, const CorpusRequest& request)
{
    QStringList words{QStringLiteral("routers"), model, QStringLiteral("--data")};
    QSet<QString> names;
    for (const QString& file : request.texts) {
        const QString stem = QFileInfo(file).completeBaseName().replace(QLatin1Char('='), QLatin1Char('-'));
        QString name = stem;
        for (int again = 2; names.contains(name); ++again) name = QStringLiteral("%1-%2").arg(stem).arg(again);
        names.insert(name);
        words << name + QLatin1Char('=') + file;
    }
    const QStringList stops = stopsOf(request.stops).value_or(QStringList());
    if (!stops.isEmpty()) words << QStringLiteral("--stops") << stops.join(QLatin1Char(','));
    words << QStringLiteral("--limit") << QString::number(request.documents);
    if (!request.other_routers.isEmpty()) words << QStringLiteral("--routers") << request.other_routers;
    return words << QStringLiteral("--json") << QStringLiteral("--progress-json");
}

QString corpusProblem(const CorpusRequest& request)
{
    if (request.texts.isEmpty())
        return CorpusSetup::tr("No text is given. Add one or more: the routers are watched while they read them.");
    for (const QString& file :
         request.texts + (request.other_routers.isEmpty() ? QStringList() : QStringList{request.other_routers})) {
        if (!QFileInfo(file).isFile() || !QFileInfo(file).isReadable())
            return CorpusSetup::tr("%1 is no file that can be read. Choose another.").arg(file);
    }
    if (!stopsOf(request.stops))
        return CorpusSetup::tr("“%1” is no list of stops. Write shares above 0 and at most 1, as in 0.8,0.6.")
            .arg(request.stops);
    return {};
}

CorpusSetup::CorpusSetup(QWidget* parent)
    : QDialog(parent)
    , texts_(new FileList(tr("Texts to read"), tr("Plain text; documents stand apart by a line <|endoftext|>."),
                          tr("Texts (*.txt *.md);;All files (*)"), false))
    , stops_(new QLineEdit)
    , documents_(new QSpinBox)
    , other_(new QLineEdit)
    , problem_(new QLabel)
    , start_(new QPushButton(tr("Start")))
{
    setObjectName(QStringLiteral("corpusSetup"));
    setWindowTitle(tr("Corpus Report"));
    setWhatsThis(tr("Reads texts with the open model and counts what its routers choose, layer by layer; then the same "
                    "texts with uniform widths and with the choices shuffled between tokens, at the same cost."));
    stops_->setPlaceholderText(tr("the trained ones below 1"));
    stops_->setToolTip(tr("Shares of the full cost, as in 0.8,0.6"));
    constexpr int kMany = 1'000'000;
    documents_->setRange(0, kMany);
    documents_->setValue(50);
    documents_->setSpecialValueText(tr("all"));
    documents_->setToolTip(
        tr("The first so many documents of each text. With fewer than 20, nothing is said about whether "
           "the routers use their input"));
    other_->setPlaceholderText(tr("none"));
    other_->setToolTip(tr("routers.safetensors of another run of the same model, to compare with"));
    auto* browse = new QPushButton(tr("Browse…"));
    browse->setAccessibleName(tr("Choose the file of other routers"));
    auto* other = new QHBoxLayout;
    other->addWidget(other_, 1);
    other->addWidget(browse);
    auto* form = new QFormLayout;
    const auto row = [form](const QString& text, auto* field, QWidget* named) {
        auto* label = new QLabel(text);
        label->setBuddy(named);
        if (named->accessibleName().isEmpty()) named->setAccessibleName(QString(text).remove(QLatin1Char('&')));
        form->addRow(label, field);
    };
    row(tr("&Texts"), texts_, texts_);
    row(tr("Sto&ps"), stops_, stops_);
    row(tr("&Documents of each"), documents_, documents_);
    row(tr("&Other routers"), other, other_);
    problem_->setWordWrap(true);
    auto* dismiss = new QPushButton(tr("Close"));
    dismiss->setAccessibleName(tr("Close the dialog"));
    start_->setAccessibleName(tr("Start the report"));
    start_->setDefault(true);
    auto* buttons = new QHBoxLayout;
    buttons->addStretch(1);
    buttons->addWidget(start_);
    buttons->addWidget(dismiss);
    auto* layout = new QVBoxLayout(this);
    layout->addLayout(form);
    layout->addWidget(problem_);
    layout->addLayout(buttons);
    connect(browse, &QPushButton::clicked, this, [this] {
        askForFile(this, {FileQuestion::Kind::Open, tr("Other routers"), tr("Routers (*.safetensors)"), {}, {}},
                   [this](const QString& file) { other_->setText(file); });
    });
    connect(dismiss, &QPushButton::clicked, this, &QWidget::close);
    connect(texts_, &FileList::edited, this, &CorpusSetup::follow);
    for (QLineEdit* line : {stops_, other_}) connect(line, &QLineEdit::textChanged, this, &CorpusSetup::follow);
    connect(start_, &QPushButton::clicked, this, [this] {
        emit wanted(request());
        close();
    });
    const QString own = QString::fromStdString((resourceFolder() / "corpus" / "tales.txt").string());
    if (QFileInfo::exists(own)) texts_->add(own);
    resize(fontMetrics().averageCharWidth() * 80, sizeHint().height());
    follow();
}

CorpusRequest CorpusSetup::request() const
{
    return {texts_->files(), stops_->text().trimmed(), documents_->value(), other_->text().trimmed()};
}

void CorpusSetup::setBlocked(const QString& why)
{
    blocked_ = why;
    follow();
}

void CorpusSetup::follow()
{
    const QString problem = blocked_.isEmpty() ? corpusProblem(request()) : blocked_;
    start_->setEnabled(problem.isEmpty());
    problem_->setText(problem);
    problem_->setVisible(!problem.isEmpty());
    QPalette colors = palette();
    colors.setColor(QPalette::WindowText, cautionColor(palette()));
    problem_->setPalette(colors);
}

} // namespace flextron::ui
