"""The figures of a worker as Prometheus reads them."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.services.metrics import Kind, Metrics, Sample, exposition


def test_what_is_given_is_read_back() -> None:
    samples = [
        Sample(Metrics.READY, 1), Sample(Metrics.INPUTS, 3, ("0", "applied")), Sample(Metrics.INPUTS, 4, ("1", 'quo"te\n')),
        Sample(Metrics.TAPE_OFFSET, 2.0**53, ("0",)),
    ]  # fmt: skip

    families = list(text_string_to_metric_families(exposition(lambda: samples).decode()))

    read = [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]
    about = [(metric.value, value, labels) for metric, value, labels in samples]
    assert read == [(it.name, dict(zip(it.labels, labels, strict=True)), value) for it, value, labels in about]
    assert {family.type for family in families if family.name == "qts_inputs"} == {"counter"}


def test_figures_are_asked_for_each_time() -> None:
    asked: list[int] = []

    def sampler() -> list[Sample]:
        asked.append(1)
        return [Sample(Metrics.MEMORY_BYTES, len(asked))]

    assert b"qts_memory_bytes 1.0" in exposition(sampler)
    assert b"qts_memory_bytes 2.0" in exposition(sampler)
    assert len(asked) == 2


@pytest.mark.parametrize("metric", Metrics, ids=lambda metric: metric.name.lower())
def test_every_metric_can_be_written_and_counters_are_called_totals(metric: Metrics) -> None:
    about = metric.value
    text = exposition(lambda: [Sample(metric, 1, tuple("x" for _ in about.labels))]).decode()

    assert f"\n{about.name}" in text
    assert about.name.startswith("qts_")
    assert (about.kind is Kind.COUNTER) == about.name.endswith("_total")


def test_names_are_used_once() -> None:
    assert len({metric.value.name for metric in Metrics}) == len(Metrics)
