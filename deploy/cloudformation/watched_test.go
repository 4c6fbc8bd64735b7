package cloudformation

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestScaling: from nothing at the first message, by the backlog of each worker, and back to nothing.
func TestScaling(t *testing.T) {
	t.Parallel()
	for compute, logical := range map[string]string{"FARGATE": "", "EC2": "Ec2"} {
		s := resolve(t, map[string]any{"Compute": compute})
		wake, rest, backlog := s.of(logical+"WakePolicy"), s.of(logical+"RestPolicy"), s.of(logical+"BacklogPolicy")
		if p, ok := wake["StepScalingPolicyConfiguration"].(object); ok {
			wake, rest = p, rest["StepScalingPolicyConfiguration"].(object)
		}
		if fmt.Sprint(wake["AdjustmentType"], wake["StepAdjustments"]) != "ChangeInCapacity[map[MetricIntervalLowerBound:0 ScalingAdjustment:1]]" {
			t.Errorf("%s: waking is %v", compute, wake)
		}
		if fmt.Sprint(rest["AdjustmentType"], rest["StepAdjustments"]) != "ExactCapacity[map[MetricIntervalUpperBound:0 ScalingAdjustment:0]]" {
			t.Errorf("%s: resting is %v", compute, rest)
		}
		for _, a := range []struct{ alarm, policy string }{{"WakeAlarm", "WakePolicy"}, {"RestAlarm", "RestPolicy"}} {
			if got := fmt.Sprint(s.of(a.alarm)["AlarmActions"]); got != "[id-of-"+logical+a.policy+"]" {
				t.Errorf("%s: %s does %s", compute, a.alarm, got)
			}
		}
		tracking, ok := backlog["TargetTrackingScalingPolicyConfiguration"].(object)
		if !ok {
			tracking = backlog["TargetTrackingConfiguration"].(object)
		}
		if fmt.Sprint(tracking["TargetValue"]) != fmt.Sprint(s.parameters["BacklogPerTask"]) || tracking["DisableScaleIn"] != nil {
			t.Errorf("%s: %v", compute, tracking)
		}
		expressions(t, tracking["CustomizedMetricSpecification"].(object)["Metrics"].([]any))
	}
	s := resolve(t, nil)
	if target := s.of("ScalableTarget"); fmt.Sprintf("%v %v %v", target["MinCapacity"], target["MaxCapacity"], target["ResourceId"]) != "0 10 service/reprise/reprise-worker" {
		t.Errorf("%v", target)
	}
	if s.of("WorkerService")["DesiredCount"] != nil {
		t.Error("an update of the stack sets the number of workers back")
	}
}

// expressions checks that metric math uses what is there, and that one metric comes out.
func expressions(t *testing.T, metrics []any) {
	t.Helper()
	ids, returned := map[string]bool{}, 0
	for _, m := range metrics {
		ids[m.(object)["Id"].(string)] = true
		if m.(object)["ReturnData"] == true {
			returned++
		}
	}
	for _, m := range metrics {
		text, _ := m.(object)["Expression"].(string)
		for _, word := range regexp.MustCompile(`\b[a-z]+\b`).FindAllString(text, -1) {
			if !ids[word] {
				t.Errorf("%q uses %s, which is not there", text, word)
			}
		}
	}
	if returned != 1 {
		t.Errorf("%d metrics come out of %v", returned, metrics)
	}
}

// TestAlarms: each alarm watches metrics that there are, and names a section of the runbook that is there.
func TestAlarms(t *testing.T) {
	t.Parallel()
	runbook, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := headings(string(runbook))
	variants(t, func(t *testing.T, s *stack) {
		seen := map[string]bool{}
		for _, name := range s.kind("AWS::CloudWatch::Alarm") {
			p := s.of(name)
			alarm := strings.TrimPrefix(fmt.Sprint(p["AlarmName"]), fmt.Sprint(s.parameters["Prefix"])+"-")
			seen[alarm] = true
			if metrics, ok := p["Metrics"].([]any); ok {
				expressions(t, metrics)
			}
			walk(p, name, func(path string, m object) { s.metric(path, m) })
			if strings.HasPrefix(alarm, "scaling-") {
				continue
			}
			if !strings.HasSuffix(fmt.Sprint(p["AlarmDescription"]), " docs/operations.md#alarm-"+alarm) || !anchors["alarm-"+alarm] {
				t.Errorf("%s says %q, and the runbook has alarm-%s: %v", name, p["AlarmDescription"], alarm, anchors["alarm-"+alarm])
			}
			if told := p["AlarmActions"] != nil; told != s.holds("HasTopic") {
				t.Errorf("%s tells somebody: %v", name, told)
			}
		}
		want := []string{"queue-depth", "oldest-message", "dead-letters", "replay-stalled", "throttles", "errors"}
		if s.holds("HasLive") {
			want = append(want, "live-lag", "unarchived")
		}
		if s.holds("LiveLambda") {
			want = append(want, "given-up")
		}
		for _, w := range want {
			if !seen[w] {
				t.Errorf("no alarm %s", w)
			}
		}
		if len(seen) != len(want)+2 {
			t.Errorf("alarms: %v", seen)
		}
	})
}

// headings are the anchors of a page.
func headings(text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		kept := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		found[strings.ReplaceAll(kept, " ", "-")] = true
	}
	return found
}

// ours are the metrics that the processes write, as internal/telemetry names them.
var ours = []string{"LiveLag", "Unarchived", "UnarchivedAge", "ReplayStalled", "Errors", "Throttles", "LinesPerSecond"}

// metric checks a mapping that names a metric.
func (s *stack) metric(path string, m object) {
	name, ok := m["MetricName"].(string)
	if !ok {
		return
	}
	dimensions := map[string]string{}
	for _, d := range m["Dimensions"].([]any) {
		dimensions[fmt.Sprint(d.(object)["Name"])] = fmt.Sprint(d.(object)["Value"])
	}
	prefix := fmt.Sprint(s.parameters["Prefix"])
	if m["Namespace"] == "Reprise" && (!slices.Contains(ours, name) || dimensions["Stack"] != prefix || len(dimensions) != 1) {
		s.t.Errorf("%s: nothing writes %s with %v", path, name, dimensions)
	}
	for d, v := range dimensions {
		if !strings.HasPrefix(v, prefix) {
			s.t.Errorf("%s: %s of %s %q is not of this stack", path, name, d, v)
		}
	}
}

// TestMetricsAreWritten holds the names above to the program's.
func TestMetricsAreWritten(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, dir := range []string{"../../internal/telemetry", "../../internal/app"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f.Name(), ".go") && !strings.HasSuffix(f.Name(), "_test.go") {
				source, err := os.ReadFile(dir + "/" + f.Name())
				if err != nil {
					t.Fatal(err)
				}
				text.Write(source)
			}
		}
	}
	for _, name := range append([]string{"Reprise", "Stack"}, ours...) {
		if !strings.Contains(text.String(), `"`+name+`"`) {
			t.Errorf("nothing in internal/telemetry writes %s", name)
		}
	}
}

// TestDashboard: it is JSON, of this stack alone, and shows what is there.
func TestDashboard(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, s *stack) {
		var body struct {
			Widgets []struct {
				Type          string
				Width, Height int
				Properties    struct {
					Title, Region, Query string
					Metrics              [][]any
				}
			}
		}
		text := fmt.Sprint(s.of("Dashboard")["DashboardBody"])
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			var at *json.SyntaxError
			if errors.As(err, &at) {
				t.Fatalf("%v at …%s", err, text[max(0, at.Offset-80):at.Offset])
			}
			t.Fatal(err)
		}
		for _, w := range body.Widgets {
			if w.Properties.Title == "" || w.Properties.Region != region || (len(w.Properties.Metrics) == 0) == (w.Properties.Query == "") {
				t.Errorf("%+v", w)
			}
			namespace := ""
			for _, m := range w.Properties.Metrics {
				if first := fmt.Sprint(m[0]); first != "." && first != "..." {
					namespace = first
				}
				if namespace == "Reprise" && !slices.Contains(ours, fmt.Sprint(m[1])) {
					t.Errorf("%s shows %v, which nothing writes", w.Properties.Title, m)
				}
			}
		}
		if len(body.Widgets) < 6 {
			t.Errorf("%d widgets", len(body.Widgets))
		}
	})
}
