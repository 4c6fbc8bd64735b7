package app_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/realservers"
)

// TestMain gives this process the credentials of the servers: the code under test finds its own, as in production.
func TestMain(m *testing.M) {
	os.Clearenv()
	for _, v := range environment {
		name, value, _ := strings.Cut(v, "=")
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	realservers.Main(m)
}

var environment = realservers.Environ()

// site is a configuration of the aws backend with names of its own, on the real servers or on fronts before them.
func site(t *testing.T, front func(base string) string) config.Config {
	t.Helper()
	if front == nil {
		front = func(base string) string { return base }
	}
	text := `
backend: aws
aws:
  region: ` + realservers.Region + `
  endpoint_url: {sqs: "` + front(realservers.SQS(t)) + `", s3: "` + front(realservers.S3(t)) + `", dynamodb: "` + front(realservers.DynamoDB(t)) + `"}
  queue: ` + realservers.Unique(t, "work") + `
  dead_letter_queue: ` + realservers.Unique(t, "dead") + `
  bucket: ` + realservers.Unique(t, "logs") + `
  tables: {meta: ` + realservers.Unique(t, "meta") + `, cursors: ` + realservers.Unique(t, "cursors") + `, stats: ` + realservers.Unique(t, "stats") + `, incoming: ` + realservers.Unique(t, "incoming") + `}
` + protocols
	return load(t, text)
}

// withLive switches the live side of a configuration on.
func withLive(c config.Config) config.Config {
	c.Live.On = true
	return c
}

const protocols = `
protocols:
  dns:
    format: json
    timestamp: ts
    stats: {queries: {measures: {queries: count}}}
`

func load(t *testing.T, text string) config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), config.FileName)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// request is a call as a front sees it.
type request struct {
	action string // the permission that it takes, such as sqs:SendMessage
	on     string // the name of the queue or table, the key of the object or the prefix
}

// gate stands before the servers as a policy does, which none of them has: what refuse says is refused as the services
// do, all else passes. answer may change the headers of what comes back.
func gate(t *testing.T, refuse func(request) bool, answer func(http.Header)) func(base string) string {
	t.Helper()
	return func(base string) string {
		target, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{MaxIdleConnsPerHost: 16}
		forward := &httputil.ReverseProxy{
			Transport: transport,
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Host = r.In.Host // it is signed
			},
			ErrorLog: log.New(io.Discard, "", 0), // of clients that have gone away
			ModifyResponse: func(r *http.Response) error {
				if answer != nil {
					answer(r.Header)
				}
				return nil
			},
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // the client has gone away
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			if refuse != nil && slices.ContainsFunc(read(r, body), refuse) {
				deny(w, r)
				return
			}
			forward.ServeHTTP(w, r)
		}))
		t.Cleanup(func() {
			server.CloseClientConnections()
			server.Close()
			transport.CloseIdleConnections()
		})
		return server.URL
	}
}

// read tells which permissions a request takes: a transaction those of what it does.
func read(r *http.Request, body []byte) []request {
	target, call, json := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case !json:
		return []request{readS3(r)}
	case strings.HasPrefix(target, "DynamoDBStreams"):
		return []request{{"dynamodb:" + call, theStream}}
	case call == "TransactWriteItems":
		return readTransaction(body)
	case strings.HasPrefix(target, "DynamoDB"):
		return []request{{"dynamodb:" + call, named(body)}}
	}
	return []request{{"sqs:" + strings.TrimSuffix(call, "Batch"), named(body)}}
}

// theStream is what calls of the stream are about: an iterator does not name it, and a site has one.
const theStream = "stream"

// readTransaction tells which permissions the items of a transaction take.
func readTransaction(body []byte) []request {
	var in struct {
		TransactItems []map[string]struct{ TableName string }
	}
	_ = json.Unmarshal(body, &in)
	actions := map[string]string{
		"Put": "dynamodb:PutItem", "Update": "dynamodb:UpdateItem", "Delete": "dynamodb:DeleteItem", "ConditionCheck": "dynamodb:ConditionCheckItem",
	}
	var list []request
	for _, i := range in.TransactItems {
		for kind, item := range i {
			list = append(list, request{actions[kind], item.TableName})
		}
	}
	return list
}

// named is what a call of SQS or DynamoDB is about; an index is its table's name, a slash and its own.
func named(body []byte) string {
	var in struct {
		QueueUrl, QueueName, TableName, IndexName string
		RequestItems                              map[string]any
	}
	_ = json.Unmarshal(body, &in)
	for table := range in.RequestItems {
		return table
	}
	if in.IndexName != "" {
		return in.TableName + "/" + in.IndexName
	}
	return in.QueueName + in.TableName + in.QueueUrl[strings.LastIndex(in.QueueUrl, "/")+1:]
}

func readS3(r *http.Request) request {
	_, key, object := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	if query.Has("delete") { // many at once, below one prefix
		return request{"s3:DeleteObject", "partials/"}
	}
	if !object || key == "" {
		if r.Method == http.MethodPut {
			return request{"s3:CreateBucket", ""}
		}
		return request{"s3:ListBucket", query.Get("prefix")}
	}
	verb := map[string]string{http.MethodGet: "Get", http.MethodHead: "Get", http.MethodPut: "Put", http.MethodDelete: "Delete"}[r.Method]
	if query.Has("tagging") {
		return request{"s3:" + verb + "ObjectTagging", key}
	}
	return request{"s3:" + verb + "Object", key}
}

func deny(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Amz-Target") == "" {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<Error><Code>AccessDenied</Code><Message>the user of the test is not authorized</Message></Error>`)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, `{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"the user of the test is not authorized"}`)
}
