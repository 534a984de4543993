#!/usr/bin/env python3
"""Golden numbers of a checkpoint, computed by Hugging Face transformers in float64.

    python3 make_golden.py CHECKPOINT 1,9038,2501 > tests/data/NAME/golden.json

Needs `pip install torch transformers`. The second argument is a prompt in token ids. Written: the ids of a greedy text,
the losses of its first 100 tokens and the logits at position 10.
"""
import json
import sys

import torch
import transformers

NEW_TOKENS = 200


def main(folder: str, prompt: list[int]) -> None:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    model.eval()
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(NEW_TOKENS):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        logits = model(torch.tensor([ids[:100]])).logits[0]
    log_probabilities = torch.log_softmax(logits, dim=-1)
    losses = [-float(log_probabilities[i, ids[i + 1]]) for i in range(99)]
    json.dump({
        "what": f"transformers {transformers.__version__}, torch {torch.__version__}, float64, "
                "weights as the checkpoint stores them",
        "prompt_ids": prompt,
        "greedy_ids": ids,
        "nll_of_first_100": losses,
        "logits_at_position_10": [float(value) for value in logits[10]],
    }, sys.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], [int(id) for id in sys.argv[2].split(",")])
