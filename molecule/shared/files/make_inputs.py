"""Make what `whisperx audio.wav` takes, in the current directory, which is the user's home.

A Whisper model and a sound, by the makers that the probe left on the host; a model that places words, and
what NLTK would download for it.

<root>/current/launch/python make_inputs.py <root>/current/verify
"""

from __future__ import annotations

import json
import os
import sys

import torch
import transformers

sys.path.insert(0, sys.argv[1])

from whisperx_verify.micro_model import make_model  # noqa: E402
from whisperx_verify.pipeline import PUNKT_FILES  # noqa: E402
from whisperx_verify.speech import write_speech  # noqa: E402


def make_aligner(folder: str) -> None:
    """Write an untrained wav2vec 2.0 as the Hugging Face hub has them.

    An untrained Whisper says more than a thousand letters in six seconds; each needs a frame of its own.
    """
    os.makedirs(folder, exist_ok=True)
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'"]
    vocabulary = os.path.join(folder, "vocab.json")
    with open(vocabulary, "w", encoding="utf-8") as file:
        json.dump({letter: number for number, letter in enumerate(letters)}, file)
    torch.manual_seed(1)
    config = transformers.Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16, 16, 16),
        conv_kernel=(10, 3, 3),
        conv_stride=(5, 2, 2),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )
    transformers.Wav2Vec2ForCTC(config).save_pretrained(folder)
    transformers.Wav2Vec2Processor(
        feature_extractor=transformers.Wav2Vec2FeatureExtractor(),
        tokenizer=transformers.Wav2Vec2CTCTokenizer(vocabulary),
    ).save_pretrained(folder)


make_aligner(os.path.abspath("aligner"))
punkt = os.path.join("nltk_data", "tokenizers", "punkt_tab", "english")
os.makedirs(punkt, exist_ok=True)
for name in PUNKT_FILES:
    with open(os.path.join(punkt, name), "a", encoding="utf-8"):
        pass
make_model(os.path.abspath("model"))
# The last, because it tells the scenario that all is there.
write_speech("speech.wav")
