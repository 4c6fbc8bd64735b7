package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// When metrics are written into the log for CloudWatch.
const (
	EMFAuto = "auto" // where the log goes to CloudWatch by itself: in a task of ECS and in a Lambda function
	EMFOn   = "on"
	EMFOff  = "off"
)

// Telemetry says what a process tells about itself, beside its log.
type Telemetry struct {
	Listen string `yaml:"listen"` // host:port of metrics and health; empty: they are not served
	Pprof  bool   `yaml:"pprof"`  // serve profiles, on the loopback interface
	EMF    string `yaml:"emf"`    // EMFAuto, EMFOn or EMFOff
	Stack  string `yaml:"stack"`  // the dimension of the metrics in CloudWatch, 1 to 128 characters
	OTLP   string `yaml:"otlp"`   // URL that takes traces; empty: that of OTEL_EXPORTER_OTLP_ENDPOINT, if any
}

// isStack reports whether CloudFormation takes s for a stack, which is a part of what CloudWatch takes for a dimension.
func isStack(s string) bool { return isName(s, 1, 128, "_.-") && !strings.ContainsAny(s[:1], "_.-") }

func (v *validator) telemetry(t Telemetry) {
	v.address("telemetry.listen", t.Listen)
	v.oneOf("telemetry.emf", t.EMF, EMFAuto, EMFOn, EMFOff)
	v.must(isStack(t.Stack), "telemetry.stack",
		"%q is no name for a dimension; use 1 to 128 letters, digits, '-', '_' and '.', the first a letter or digit", t.Stack)
	if t.OTLP == "" {
		return
	}
	u, err := url.Parse(t.OTLP)
	v.must(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil, "telemetry.otlp",
		"%q is no URL of a collector; write it like http://127.0.0.1:4318, headers go into OTEL_EXPORTER_OTLP_HEADERS, or remove the key", t.OTLP)
}

// address checks what a process is to listen at.
func (v *validator) address(key, text string) {
	if text == "" {
		return
	}
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	v.must(err == nil, key, "%q is no address; write host:port like 127.0.0.1:9464, 0.0.0.0:9464 for all interfaces, or remove the key", text)
}
