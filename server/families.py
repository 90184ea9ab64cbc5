"""How a metric of ours is written: its prefix, its labels, its values."""

from collections.abc import Iterable, Sequence
from math import inf

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from sms.latency import Histogram

__all__ = ["Labelled", "Metric", "counter", "gauge", "histogram"]

Labelled = Iterable[tuple[tuple[str, ...], float]]


def gauge(name: str, help: str, labels: Sequence[str], values: Labelled) -> Metric:
    family = GaugeMetricFamily(f"zhangban_{name}", help, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, float(value))
    return family


def counter(name: str, help: str, labels: Sequence[str], values: Labelled) -> Metric:
    family = CounterMetricFamily(f"zhangban_{name}", help, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, float(value))
    return family


def histogram(
    name: str, help: str, labels: Sequence[str], values: Iterable[tuple[tuple[str, ...], Histogram]]
) -> Metric:
    family = HistogramMetricFamily(f"zhangban_{name}", help, labels=labels)
    for label_values, value in values:
        buckets = [("+Inf" if bound == inf else str(bound), float(count)) for bound, count in value.cumulative()]
        family.add_metric(label_values, buckets, value.sum_s)
    return family
