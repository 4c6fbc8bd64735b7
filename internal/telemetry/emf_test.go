package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/telemetry"
)

// lines is a log that is read line by line.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) Sync() error { return nil }

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.TrimSuffix(l.buf.String(), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// logger writes as the program does, from a level on.
func logger(to *lines, level zapcore.Level) *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), to, level))
}

// checkEMF holds a line against the rules and the JSON schema of AWS's "Specification: Embedded metric format" (CloudWatch user
// guide), and returns the values of its metrics.
func checkEMF(t *testing.T, line string, now time.Time) map[string]float64 {
	t.Helper()
	if len(line) > 256<<10 {
		t.Errorf("the line has %d bytes", len(line))
	}
	var root map[string]json.RawMessage
	must(t, json.Unmarshal([]byte(line), &root))
	var meta struct {
		Timestamp         *int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct {
				Name, Unit        string
				StorageResolution *int
			}
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(root["_aws"]))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&meta))
	if meta.Timestamp == nil {
		t.Fatal("no Timestamp")
	}
	// No more than two weeks old, no more than two hours ahead: CloudWatch Logs refuses others.
	if at := time.UnixMilli(*meta.Timestamp); at.Before(now.Add(-time.Minute)) || at.After(now.Add(time.Minute)) {
		t.Errorf("Timestamp is %v, it is %v", at, now)
	}
	if len(meta.CloudWatchMetrics) == 0 {
		t.Error("no directive")
	}
	values := map[string]float64{}
	for _, d := range meta.CloudWatchMetrics {
		if n := len(d.Namespace); n < 1 || n > 255 || strings.HasPrefix(d.Namespace, "AWS/") {
			t.Errorf("namespace %q", d.Namespace)
		}
		if len(d.Dimensions) == 0 {
			t.Error("no set of dimensions")
		}
		for _, set := range d.Dimensions {
			if len(set) > 30 {
				t.Errorf("%d dimensions", len(set))
			}
			for _, name := range set {
				var value string
				if err := json.Unmarshal(root[name], &value); err != nil || value == "" || len(value) > 1024 || len(name) > 250 {
					t.Errorf("dimension %s is %s at the root: it must be text of 1 to 1024 characters", name, root[name])
				}
			}
		}
		if n := len(d.Metrics); n < 1 || n > 100 {
			t.Errorf("%d metrics", n)
		}
		for _, m := range d.Metrics {
			var value float64
			if err := json.Unmarshal(root[m.Name], &value); err != nil {
				t.Errorf("metric %s is %s at the root: it must be a number", m.Name, root[m.Name])
			}
			if !slices.Contains(units, m.Unit) {
				t.Errorf("unit %s of %s", m.Unit, m.Name)
			}
			if r := m.StorageResolution; r != nil && *r != 1 && *r != 60 {
				t.Errorf("resolution %d of %s", *r, m.Name)
			}
			if _, twice := values[m.Name]; twice {
				t.Errorf("metric %s is there twice", m.Name)
			}
			values[m.Name] = value
		}
	}
	return values
}

// units are those that CloudWatch's MetricDatum takes.
var units = strings.Fields(`Seconds Microseconds Milliseconds Bytes Kilobytes Megabytes Gigabytes Terabytes Bits Kilobits Megabits
	Gigabits Terabits Percent Count Bytes/Second Kilobytes/Second Megabytes/Second Gigabytes/Second Terabytes/Second Bits/Second
	Kilobits/Second Megabits/Second Gigabits/Second Terabits/Second Count/Second None`)

func TestEMF(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out lines
		began := time.Now()
		m := telemetry.New("v1")
		log := m.CountLog(logger(&out, zapcore.ErrorLevel)) // the lines do not depend on the level
		w := m.Worker(nil)
		watcher := m.Watcher(nil, nil)
		m.Live(func() time.Duration { return 7 * time.Second }, func() int { return 1 })
		archiver := m.Archiver()
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		var running sync.WaitGroup
		emf := m.EMF(telemetry.EMFOptions{Stack: "blue", Roles: []string{"work", "watch"}, Process: "host-1", Log: log})
		running.Go(func() { emf.Run(ctx) })

		w.Committed(telemetry.Committed{Protocol: "dns", Counted: 500, Rejected: 100})
		w.Committed(telemetry.Committed{Protocol: "web", Counted: 600})
		log.Warn("below the level, and counted")
		m.Request("SQS", "SendMessageBatch", telemetry.Throttled)
		m.Request("SQS", "SendMessageBatch", "ok")
		archiver.Backlog(3, time.Now().Add(-10*time.Second))
		watcher.Stands(time.Now())
		time.Sleep(time.Minute + time.Second) //nolint:forbidigo // time is the bubble's
		synctest.Wait()
		watcher.Stands(time.Time{})
		archiver.Backlog(0, time.Time{})
		w.Committed(telemetry.Committed{Protocol: "dns", Blank: 60})
		time.Sleep(time.Minute) //nolint:forbidigo // as above
		synctest.Wait()
		log.Error("written")
		stop()
		running.Wait()

		var got []string
		for _, line := range out.all() {
			if !strings.Contains(line, `"_aws"`) {
				continue
			}
			values := checkEMF(t, line, began.Add(time.Minute*time.Duration(len(got)+1)))
			got = append(got, fmt.Sprint(values))
			for _, property := range []string{`"Stack":"blue"`, `"Roles":["work","watch"]`, `"Process":"host-1"`, `"msg":"metrics"`} {
				if !strings.Contains(line, property) {
					t.Errorf("%s is not in %s", property, line)
				}
			}
		}
		want := []string{
			"map[Errors:1 LinesPerSecond:20 LiveLag:7 ReplayStalled:60 Throttles:1 Unarchived:3 UnarchivedAge:70]",
			"map[Errors:0 LinesPerSecond:1 LiveLag:7 ReplayStalled:0 Throttles:0 Unarchived:0 UnarchivedAge:0]",
			"map[Errors:1 LinesPerSecond:0 Throttles:0]",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestEMFOfOneRole: a process says nothing of what its roles do not do, so that an alarm sees when nobody does it.
func TestEMFOfOneRole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out lines
		m := telemetry.New("v1")
		m.Worker(nil)
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		var running sync.WaitGroup
		running.Go(func() {
			m.EMF(telemetry.EMFOptions{Stack: "s", Log: logger(&out, zapcore.InfoLevel)}).Run(ctx)
		})
		time.Sleep(time.Minute + time.Second) //nolint:forbidigo // time is the bubble's
		stop()
		running.Wait()
		values := checkEMF(t, out.all()[0], time.Now())
		if got, want := fmt.Sprint(values), "map[Errors:0 LinesPerSecond:0 Throttles:0]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
