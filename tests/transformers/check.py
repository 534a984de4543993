"""A check that uses nothing of ours: a converted directory is an ordinary model to Hugging Face transformers.

    check.py FLEXTRON MODEL TEXT     FLEXTRON is the program, MODEL a plain checkpoint, TEXT a file to calibrate on

The model is converted (importance and permutation). Transformers must load the result as it is; its logits must be those
that it computes for the original, its whole distribution after every token the one that `flextron score` gives, and its
greedy continuation the one of `flextron generate`.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
import transformers

IDS = [1, 7, 42, 100, 3, 250, 9, 311, 64, 128, 2, 77, 400, 5, 18, 200]


def flextron(program, *arguments):
    done = subprocess.run([program, *arguments, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def load(folder):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    missing = [name for name, tensor in model.named_parameters() if tensor.is_meta]
    assert not missing, f"not in {folder}: {missing}"
    return model.eval()


def logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def compare(what, found, expected, tolerance):
    difference = (found - expected).abs().max().item()
    print(f"{what}: largest difference {difference:.2e}, allowed {tolerance:.0e}")
    assert difference <= tolerance, what


def main(program, base, text):
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        converted = pathlib.Path(folder) / "converted"
        flextron(program, "convert", base, "--data", text, "--out", str(converted), "--stages", "importance,permute",
                 "--sequences", "8", "--sequence-length", "64")
        before, after = load(base), load(converted)
        moved = sum(not torch.equal(a, b) for (_, a), (_, b) in
                    zip(before.named_parameters(), after.named_parameters()))
        assert moved > 0, "nothing was permuted: the check shows nothing"
        compare("original and converted, transformers", logits(after, IDS), logits(before, IDS), 1e-4)

        vocabulary = after.config.vocab_size
        score = flextron(program, "score", str(converted), "--ids", ",".join(map(str, IDS)), "--top-k", str(vocabulary),
                         "--per-token", "--weights", "f32")
        expected = logits(after, IDS).log_softmax(-1)
        found = torch.full((len(IDS) - 1, vocabulary), float("nan"), dtype=torch.float64)
        for position, top in enumerate(score["top"]):
            for entry in top:
                found[position, entry["id"]] = entry["logprob"]
        compare("log-probabilities of every token, flextron score", found, expected[:-1], 2e-4)
        nll = torch.tensor(score["nll"], dtype=torch.float64)
        compare("losses", nll, -expected[range(len(IDS) - 1), IDS[1:]], 2e-4)

        ids = list(IDS)
        for _ in range(20):
            ids.append(logits(after, ids)[-1].argmax().item())
        written = flextron(program, "generate", str(converted), "--prompt-ids", ",".join(map(str, IDS)), "--max-tokens",
                           "20", "--temperature", "0", "--weights", "f32")["ids"]
        stop = len(written)  # an end-of-text token ends ours
        assert stop > 0 and written == ids[len(IDS):len(IDS) + stop], f"greedy: {written}, expected {ids[len(IDS):]}"
        print(f"greedy continuation: the same {stop} tokens")


main(*sys.argv[1:])
