"""Makes goldens.json: the log-probability of every choice, by Hugging Face transformers in float64.

    python make_goldens.py     needs torch, transformers, sentencepiece and tokenizers

The texts of the tasks are written down here once more, after lm-evaluation-harness, independently of the program.
"""
import csv
import json
import pathlib

import sentencepiece
import tokenizers
import torch
import transformers

here = pathlib.Path(__file__).parent
torch.set_num_threads(1)


def lines(name):
    return [json.loads(line) for line in (here / name).read_text(encoding="utf-8").splitlines()]


def arc():
    for q in lines("arc_easy.jsonl"):
        choices = [c["text"] for c in q["question"]["choices"]]
        gold = [c["label"] for c in q["question"]["choices"]].index(q["answerKey"])
        yield [(f"Question: {q['question']['stem']}\nAnswer:", " " + c, len(c)) for c in choices], gold


def lambada():
    for q in lines("lambada_openai.jsonl"):
        words = q["text"].split(" ")
        yield [(" ".join(words[:-1]), " " + words[-1], len(words[-1]))], 0


def piqa():
    labels = (here / "piqa_valid-labels.lst").read_text().split()
    for q, label in zip(lines("piqa_valid.jsonl"), labels):
        yield [(f"Question: {q['goal']}\nAnswer:", " " + q[k], len(q[k])) for k in ("sol1", "sol2")], int(label)


def winogrande():
    for q in lines("winogrande_xl_dev.jsonl"):
        gap = q["sentence"].index("_")
        end = q["sentence"][gap + 1:].strip()
        yield [(q["sentence"][:gap] + q[k], " " + end, len(end)) for k in ("option1", "option2")], int(q["answer"]) - 1


def hellaswag():
    import re

    def clean(text):
        text = text.strip().replace(" [title]", ". ")
        return re.sub("\\[.*?\\]", "", text).replace("  ", " ")

    for q in lines("hellaswag_val.jsonl"):
        context = clean(q["activity_label"] + ": " + q["ctx"])
        endings = [clean(e) for e in q["endings"]]
        yield [(context, " " + e, len(e)) for e in endings], int(q["label"])


def mmlu(shots):
    def question(row):
        return row[0].strip() + "".join(f"\n{l}. {c}" for l, c in zip("ABCD", row[1:5])) + "\nAnswer:"

    for subject in ("anatomy", "astronomy"):
        front = f"The following are multiple choice questions (with answers) about {subject}.\n\n"
        with open(here / f"mmlu/dev/{subject}_dev.csv", encoding="utf-8", newline="") as file:
            for row in list(csv.reader(file))[:shots]:
                front += f"{question(row)} {row[5]}\n\n"
        with open(here / f"mmlu/test/{subject}_test.csv", encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                yield [(front + question(row), " " + l, 1) for l in "ABCD"], "ABCD".index(row[5])


class Model:
    def __init__(self, name):
        folder = here.parent / name
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
        if (folder / "tokenizer.model").exists():
            pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
            self.encode = lambda text: [pieces.bos_id()] + pieces.encode(text)
            self.prefix = []
        else:
            bpe = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            self.encode = lambda text: bpe.encode(text).ids
            self.prefix = [bpe.token_to_id("<|endoftext|>")]
        self.context = self.model.config.max_position_embeddings

    def logprob(self, context, continuation):
        ids, start = self.encode(context + continuation), len(self.encode(context))
        if start == 0:
            ids, start = self.prefix + ids, 1
        judged = ids[start:]
        read = ids[-(self.context + 1):][:-1]
        with torch.no_grad():
            logits = self.model(torch.tensor([read])).logits[0, -len(judged):].log_softmax(-1)
        rows = range(len(judged))
        greedy = logits.argmax(-1).tolist() == judged
        return logits[rows, judged].sum().item(), greedy


def main():
    result = {}
    tasks = {"arc_easy": arc(), "lambada": lambada(), "piqa": piqa(), "winogrande": winogrande(),
             "hellaswag": hellaswag(), "mmlu": mmlu(0), "mmlu 2": mmlu(2)}
    tasks = {name: list(items) for name, items in tasks.items()}
    for name in ("stories260k-llama", "stories-gpt2"):
        model = Model(name)
        result[name] = {}
        for task, items in tasks.items():
            out = []
            for choices, gold in items:
                judged = [model.logprob(context, text) for context, text, _ in choices]
                scores = [score for score, _ in judged]
                normalised = [score / max(1, size) for score, (_, _, size) in zip(scores, choices)]
                out.append({"gold": gold, "logprobs": scores, "chosen": scores.index(max(scores)),
                            "chosen_norm": normalised.index(max(normalised)), "greedy": judged[0][1]})
            result[name][task] = out
    (here / "goldens.json").write_text(json.dumps(result) + "\n")


main()
