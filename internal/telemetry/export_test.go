package telemetry

import dto "github.com/prometheus/client_model/go"

// Gather gives tests what the registry holds.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) { return m.registry.Gather() }
