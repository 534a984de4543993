// What a corpus report is to be made of: texts, stops, documents, other routers. Not modal.
#pragma once

#include <QDialog>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSpinBox>

#include "ui/parts/filelist.h"

namespace flextron::ui {

struct CorpusRequest {
    QStringList texts;
    QString stops; ///< "0.8,0.6"; empty: the trained ones
    int documents = 50;
    QString other_routers; ///< a file; empty for none
};
/// `flextron` not included. Texts are named by their files, each differently.
QStringList corpusArguments(const QString& model, const CorpusRequest& request);
/// What stands in the way; empty when it can be started.
QString corpusProblem(const CorpusRequest& request);

class CorpusSetup final : public QDialog {
    Q_OBJECT

public:
    explicit CorpusSetup(QWidget* parent = nullptr);
    [[nodiscard]] CorpusRequest request() const;
    [[nodiscard]] FileList* texts() const { return texts_; }
    [[nodiscard]] QPushButton* startButton() const { return start_; }
    /// Why nothing can be started now; empty when it can.
    void setBlocked(const QString& why);

signals:
    void wanted(const flextron::ui::CorpusRequest& request);

private:
    void follow();
    FileList* texts_;
    QLineEdit* stops_;
    QSpinBox* documents_;
    QLineEdit* other_;
    QLabel* problem_;
    QPushButton* start_;
    QString blocked_;
};

} // namespace flextron::ui
