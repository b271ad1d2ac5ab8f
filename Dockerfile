# One image for head, workers and submitters. CPU by default; for GPUs: --build-arg EXTRAS=all,vllm (torch brings CUDA).
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

ARG EXTRAS=s3,video,cluster,tesseract
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1

# Libraries that the wheels of OpenCV and ONNX Runtime expect; wget is what KubeRay's probes call. Tesseract with all its
# languages (0.7 GB) reads the scripts that RapidOCR cannot: docs/scripts.md.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 libgomp1 wget tesseract-ocr tesseract-ocr-all \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/folioscope
COPY . .
# hadolint ignore=DL3013
RUN pip install ".[${EXTRAS}]" \
    && useradd --create-home --uid 1000 ray

USER 1000
CMD ["folioscope", "--help"]
