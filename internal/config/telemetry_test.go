package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTelemetry(t *testing.T) {
	t.Parallel()
	text := "telemetry: {listen: ':9464', pprof: true, emf: on, otlp: 'https://collector/base'}\n" + minimal
	c, err := parse("reprise.yaml", []byte(text), variables([]string{"REPRISE_TELEMETRY_STACK=blue-2", "REPRISE_TELEMETRY_LISTEN=0.0.0.0:1"}))
	if err != nil {
		t.Fatal(err)
	}
	want := Telemetry{Listen: "0.0.0.0:1", Pprof: true, EMF: EMFOn, Stack: "blue-2", OTLP: "https://collector/base"}
	if d := cmp.Diff(want, c.Telemetry); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
