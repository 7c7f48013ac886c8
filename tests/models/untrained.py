"""UNTRAINED weights for alignment and diarization: random numbers in real architectures and real layouts.

No index has real ones. What they compute is nonsense; that the libraries find, load and run them is what a
test may take from them. A program for the Python of an environment that has WhisperX:

    <release>/launch/python untrained.py DIRECTORY

It writes torchaudio/FILE (English, 378 MB, the real size), aligner/ (a small wav2vec 2.0 as on the hub),
diarization/ (pyannote's community-1 pipeline) and punkt_tab/english/ (empty parameters of NLTK's splitter).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

EN_FILE = "wav2vec2_fairseq_base_ls960_asr_ls960.pth"
PUNKT_FILES = ("abbrev_types.txt", "collocations.tab", "ortho_context.tab", "sent_starters.txt")
COMMUNITY_1 = """\
dependencies:
  pyannote.audio: 4.0.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    embedding: $model/embedding
    plda: $model/plda
    embedding_exclude_overlap: true
params:
  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}
  segmentation: {min_duration_off: 0.0}
"""


def torchaudio_en(folder: Path) -> None:
    """The state of torchaudio's WAV2VEC2_ASR_BASE_960H."""
    import torch
    from torchaudio.models import wav2vec2_base

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    torch.save(wav2vec2_base(aux_num_out=32).state_dict(), folder / EN_FILE)


def aligner(folder: Path) -> None:
    """A wav2vec 2.0 for characters, as small as can be."""
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'"]
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
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
    transformers.Wav2Vec2ForCTC(config).save_pretrained(str(folder))
    transformers.Wav2Vec2Processor(
        feature_extractor=transformers.Wav2Vec2FeatureExtractor(),
        tokenizer=transformers.Wav2Vec2CTCTokenizer(str(vocabulary)),
    ).save_pretrained(str(folder))


def diarization(folder: Path) -> None:
    """pyannote's community-1: segmentation, embedding and PLDA of their real classes and shapes."""
    import numpy
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(1)
    segmentation = PyanNet()
    segmentation.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    embedding = WeSpeakerResNet34()
    embedding.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0, classes=[]
    )
    for name, model in (("segmentation", segmentation), ("embedding", embedding)):
        model.build()
        _checkpoint(folder / name, model)
    random = numpy.random.default_rng(1)
    (folder / "plda").mkdir(parents=True, exist_ok=True)
    lda = numpy.linalg.qr(random.normal(size=(256, 128)))[0]
    numpy.savez(folder / "plda/xvec_transform.npz", mean1=numpy.zeros(256), mean2=numpy.zeros(128), lda=lda)
    numpy.savez(
        folder / "plda/plda.npz", mu=numpy.zeros(128), tr=numpy.eye(128), psi=numpy.linspace(2, 1, 128)
    )
    (folder / "config.yaml").write_text(COMMUNITY_1)


def _checkpoint(folder: Path, model: Any) -> None:
    import pytorch_lightning
    import torch

    content = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": pytorch_lightning.__version__,
    }
    model.on_save_checkpoint(content)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(content, folder / "pytorch_model.bin")


def punkt(folder: Path) -> None:
    """NLTK's sentence splitter without any knowledge."""
    (folder / "english").mkdir(parents=True, exist_ok=True)
    for name in PUNKT_FILES:
        (folder / "english" / name).touch()


def main() -> None:
    """Write all of them."""
    top = Path(sys.argv[1])
    torchaudio_en(top / "torchaudio")
    aligner(top / "aligner")
    diarization(top / "diarization")
    punkt(top / "punkt_tab")


if __name__ == "__main__":
    main()
