// LibTorch and SentencePiece each bring a protobuf of their own. They must not meet.

#include "engine/compute/torch_version.h"

#include <QTest>

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <dlfcn.h>

#include <string>
#include <vector>

class OneProcessTest final : public QObject {
    Q_OBJECT

private slots:
    void bothWork();
    void trainingWorks();
    void noProtobufOfSentencePieceIsVisible();
};

void OneProcessTest::bothWork()
{
    QCOMPARE(flextron::torchSelfTest(3, 64, 5), 3.0 * 64 * 5);
    sentencepiece::SentencePieceProcessor tokenizer;
    const auto status = tokenizer.Load(FLEXTRON_TEST_DATA "/stories260k-llama/tokenizer.model");
    QVERIFY2(status.ok(), status.ToString().c_str());
    const std::string text = "Once upon a time";
    QCOMPARE(tokenizer.DecodeIds(tokenizer.EncodeAsIds(text)), text);
    QCOMPARE(flextron::torchSelfTest(2, 16, 2), 2.0 * 16 * 2);
}

void OneProcessTest::trainingWorks()
{
    std::vector<std::string> sentences(50, "the cat sat on the mat and the dog ran to the sun");
    std::string model;
    const auto status = sentencepiece::SentencePieceTrainer::Train({{"vocab_size", "280"},
                                                                    {"model_type", "bpe"},
                                                                    {"byte_fallback", "true"},
                                                                    {"minloglevel", "2"},
                                                                    {"hard_vocab_limit", "false"}},
                                                                   sentences, &model);
    QVERIFY2(status.ok(), status.ToString().c_str());
    sentencepiece::SentencePieceProcessor tokenizer;
    QVERIFY(tokenizer.LoadFromSerializedProto(model).ok());
    QCOMPARE(tokenizer.DecodeIds(tokenizer.EncodeAsIds("the cat ran")), std::string("the cat ran"));
}

void OneProcessTest::noProtobufOfSentencePieceIsVisible()
{
    // A symbol that only SentencePiece's static archive holds: it is in this program, and nobody can bind to it.
    QCOMPARE(dlsym(RTLD_DEFAULT, "_ZN13sentencepiece10ModelProtoC1Ev"), nullptr);
    QCOMPARE(dlsym(RTLD_DEFAULT, "_ZN13sentencepiece10ModelProtoC2Ev"), nullptr);
}

QTEST_GUILESS_MAIN(OneProcessTest)
#include "test_one_process.moc"
