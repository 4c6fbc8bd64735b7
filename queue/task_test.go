package queue_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/seed-56345083/reprise/queue"
)

// TestTaskGolden holds the encoding still: messages of an older program are still in the queue after an update.
func TestTaskGolden(t *testing.T) {
	t.Parallel()
	for name, task := range map[string]queue.Task{
		"object.json": {Replay: "01JZ0000000000000000000000", Protocol: "dns", Key: "logs/dns/<2026>&\"ü\".gz", Line: 123456789},
		"high.json":   {Replay: "01JZ0000000000000000000000", Protocol: "dns", Key: "logs/dns/\uFFFD\uFFFE\U0001F600.gz", Line: 1},
		"fold.json":   {Replay: "01JZ0000000000000000000000", Protocol: "dns", Key: "fold#1#0", Fold: true},
	} {
		golden, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(task.Encode()); got != string(golden) {
			t.Errorf("%s: encoded\n%s, want\n%s", name, got, golden)
		}
		got, err := queue.DecodeTask(golden)
		task.Version = queue.TaskVersion
		if err != nil || got != task {
			t.Errorf("%s: decoded %+v, %v, want %+v", name, got, err, task)
		}
	}
}

func TestDecodeTask(t *testing.T) {
	t.Parallel()
	want := queue.Task{Version: 1, Replay: "r", Protocol: "p", Key: "k", Line: 5}
	got, err := queue.DecodeTask([]byte(`{"v":1,"replay":"r","protocol":"p","key":"k","line":5,"later":{"x":[1]}}`))
	if err != nil || got != want {
		t.Errorf("with an unknown field: %+v, %v, want %+v", got, err, want)
	}
	for _, body := range []string{
		``, `null`, `[]`, `"x"`, `{`, `{}`, `hello`,
		`{"v":2,"replay":"r","key":"k"}`, `{"v":"1","replay":"r","key":"k"}`, `{"replay":"r","key":"k"}`,
		`{"v":1,"key":"k"}`, `{"v":1,"replay":"r"}`, `{"v":1,"replay":"r","key":"k","line":-1}`,
		`{"v":1,"replay":"r","key":"k","line":1.5}`, `{"v":1,"replay":"r","key":"k"} more`,
	} {
		if got, err := queue.DecodeTask([]byte(body)); !errors.Is(err, queue.ErrPoison) || got != (queue.Task{}) {
			t.Errorf("DecodeTask(%s) = %+v, %v, want ErrPoison", body, got, err)
		}
	}
}

func FuzzDecodeTask(f *testing.F) {
	f.Add([]byte(`{"v":1,"replay":"r","protocol":"p","key":"k","line":5,"fold":true}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte("{\"v\":1,\"replay\":\"\xff\",\"key\":\"\\ud800\"}"))
	f.Add([]byte("{\"v\":1,\"replay\":\"\\u0000\\ufffe\",\"key\":\"\\ufffe\uffff\U0010ffff\\u007f\"}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		task, err := queue.DecodeTask(body)
		if err != nil {
			if !errors.Is(err, queue.ErrPoison) || task != (queue.Task{}) {
				t.Fatalf("DecodeTask = %+v, %v, want ErrPoison alone", task, err)
			}
			return
		}
		if task.Replay == "" || task.Key == "" || task.Line < 0 || !utf8.ValidString(task.Key) {
			t.Fatalf("accepted %+v", task)
		}
		if err := queue.CheckSend([]queue.Outgoing{{Body: task.Encode()}}); err != nil && len(task.Encode()) <= queue.MaxBody {
			t.Fatalf("no queue takes %+v: %v", task, err)
		}
		again, err := queue.DecodeTask(task.Encode())
		if err != nil || again != task {
			t.Fatalf("encoded and decoded again: %+v, %v, want %+v", again, err, task)
		}
	})
}
