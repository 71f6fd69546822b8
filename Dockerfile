# The server, `janiform serve`. For a CPU:    docker build --tag janiform .
#                               For NVIDIA:   docker build --tag janiform:cuda --build-arg TORCH=cu130 .
# TORCH is a folder of PyTorch's index of wheels: cpu, or a version of CUDA that the machine's driver supports.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim
ARG TORCH=cpu
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1
COPY constraints.txt /wheels/
# First and on its own: a layer of gigabytes, which changes seldom.
RUN pip install --constraint /wheels/constraints.txt --index-url "https://download.pytorch.org/whl/${TORCH}" torch
COPY --from=wheel /wheels/ /wheels/
RUN pip install --constraint /wheels/constraints.txt "$(echo /wheels/*.whl)[serve]"
RUN useradd --uid 1000 --create-home janiform
USER janiform
WORKDIR /models
# Models in the hub's cache open by their names: HF_HOME/hub.
ENV HF_HOME=/models/huggingface
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=180s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
# The server takes its keys from JANIFORM_API_KEY, and does not start without one.
ENTRYPOINT ["janiform"]
CMD ["serve", "janus-mini", "--host", "0.0.0.0", "--port", "8000"]
