package dynamoentries_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/seed-56345083/reprise/internal/realservers"
)

// The names under which shardFront shows the one shard of DynamoDB Local once it is split.
const (
	parentShard = "shardId-00000000000000000001-parent"
	leftShard   = "shardId-00000000000000000002-left"
	rightShard  = "shardId-00000000000000000003-right"
)

// shardFront stands before DynamoDB Local, whose streams have one shard that never ends, and shows its records as those of a
// shard that was split: a parent up to a sequence number, and two children. Iterators can expire, old records can be trimmed,
// and answers can be empty before the end. Everything but the stream passes unchanged.
type shardFront struct {
	base   string
	client *http.Client

	mu      sync.Mutex
	split   string // the last sequence number of the parent; "": it goes on
	oldest  string // what comes before it is trimmed
	minted  int    // iterators of an earlier number have expired
	empty   int    // answers before each one with records
	renewed int    // how many iterators were asked for
	status  string // of the stream
	arn     string // of the stream that was asked for last
}

// serve starts it, and returns its base URL.
func (f *shardFront) serve(t *testing.T) string {
	t.Helper()
	f.base = realservers.DynamoDB(t)
	transport := &http.Transport{}
	f.client = &http.Client{Transport: transport}
	target, err := url.Parse(f.base)
	must(t, err)
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.Transport = transport
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, ofStream := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "DynamoDBStreams_20120810.")
		if !ofStream {
			forward.ServeHTTP(w, r)
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		out, code := f.answer(t, r, call, body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if code != "" {
			w.WriteHeader(http.StatusBadRequest)
			out = map[string]string{"__type": "com.amazonaws.dynamodb.v20120810#" + code, "message": "said the front"}
		}
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(func() {
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL
}

// set changes how it behaves.
func (f *shardFront) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

type object = map[string]any

// answer is what a call of the stream gets, or the name of its error.
func (f *shardFront) answer(t *testing.T, r *http.Request, call string, body []byte) (any, string) {
	var in struct{ StreamArn, ShardId, ShardIteratorType, SequenceNumber, ExclusiveStartShardId, ShardIterator string }
	_ = json.Unmarshal(body, &in)
	if in.StreamArn != "" {
		f.arn = in.StreamArn
	}
	switch call {
	case "DescribeStream":
		return f.describe(in.ExclusiveStartShardId), ""
	case "GetShardIterator":
		f.renewed++
		if f.kind(in.ShardId) == nil {
			return nil, "ResourceNotFoundException"
		}
		if in.ShardIteratorType == "AFTER_SEQUENCE_NUMBER" && in.SequenceNumber < f.oldest {
			return nil, "TrimmedDataAccessException"
		}
		return object{"ShardIterator": f.token(in.ShardId, in.SequenceNumber, f.empty)}, ""
	default:
		var limit struct{ Limit int }
		_ = json.Unmarshal(body, &limit)
		return f.records(t, r, in.ShardIterator, limit.Limit)
	}
}

// describe lists the shards one in an answer, children first.
func (f *shardFront) describe(after string) any {
	shards := []object{
		{"ShardId": rightShard, "ParentShardId": parentShard, "SequenceNumberRange": object{"StartingSequenceNumber": f.split}},
		{"ShardId": leftShard, "ParentShardId": parentShard, "SequenceNumberRange": object{"StartingSequenceNumber": f.split}},
		{"ShardId": parentShard, "ParentShardId": "shardId-trimmed", "SequenceNumberRange": object{"StartingSequenceNumber": "0", "EndingSequenceNumber": f.split}},
	}
	if f.split == "" {
		shards = shards[2:]
		shards[0]["SequenceNumberRange"] = object{"StartingSequenceNumber": "0"}
	}
	next := map[string]int{"": 0, rightShard: 1, leftShard: 2}[after]
	description := object{"StreamArn": f.arn, "StreamStatus": f.status, "Shards": shards[next : next+1]}
	if next+1 < len(shards) {
		description["LastEvaluatedShardId"] = shards[next]["ShardId"]
	}
	return object{"StreamDescription": description}
}

// kind tells which records a shard has, by sequence number and the entry's id; nil: there is no such shard.
func (f *shardFront) kind(shard string) func(sequence, id string) bool {
	half := func(id string) uint32 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(id))
		return h.Sum32() % 2
	}
	switch {
	case shard == parentShard:
		return func(sequence, _ string) bool { return f.split == "" || sequence <= f.split }
	case shard == leftShard && f.split != "":
		return func(sequence, id string) bool { return sequence > f.split && half(id) == 0 }
	case shard == rightShard && f.split != "":
		return func(sequence, id string) bool { return sequence > f.split && half(id) == 1 }
	}
	return nil
}

// token is an iterator: empty is how many answers without records come before the next with some.
func (f *shardFront) token(shard, position string, empty int) string {
	return fmt.Sprintf("%d|%s|%s|%d", f.minted, shard, position, empty)
}

// records answers with records of one shard after an iterator's position.
func (f *shardFront) records(t *testing.T, r *http.Request, token string, limit int) (any, string) {
	var minted, empty int
	fields := strings.Split(token, "|")
	_, _ = fmt.Sscan(fields[0], &minted)
	_, _ = fmt.Sscan(fields[3], &empty)
	shard, position := fields[1], fields[2]
	switch {
	case minted != f.minted:
		return nil, "ExpiredIteratorException"
	case position != "" && position < f.oldest:
		return nil, "TrimmedDataAccessException"
	case empty > 0:
		return object{"Records": []any{}, "NextShardIterator": f.token(shard, position, empty-1)}, ""
	}
	kind := f.kind(shard)
	list, end := []any{}, true
	for _, record := range f.real(t, r) {
		if record.sequence <= position || record.sequence < f.oldest || !kind(record.sequence, record.id) {
			continue
		}
		if len(list) == limit {
			end = false
			break
		}
		list, position = append(list, record.text), record.sequence
	}
	if end && shard == parentShard && f.split != "" {
		return object{"Records": list}, ""
	}
	return object{"Records": list, "NextShardIterator": f.token(shard, position, f.empty)}, ""
}

// realRecord is a record of DynamoDB Local.
type realRecord struct {
	sequence, id string
	text         json.RawMessage
}

// real reads all records of DynamoDB Local's one shard.
func (f *shardFront) real(t *testing.T, r *http.Request) (all []realRecord) {
	var described struct {
		StreamDescription struct{ Shards []struct{ ShardId string } }
	}
	f.ask(t, r, "DescribeStream", object{"StreamArn": f.arn}, &described)
	var from struct{ ShardIterator string }
	f.ask(t, r, "GetShardIterator", object{
		"StreamArn": f.arn, "ShardId": described.StreamDescription.Shards[0].ShardId, "ShardIteratorType": "TRIM_HORIZON",
	}, &from)
	for next := from.ShardIterator; next != ""; {
		var out struct {
			Records           []json.RawMessage
			NextShardIterator string
		}
		f.ask(t, r, "GetRecords", object{"ShardIterator": next}, &out)
		for _, text := range out.Records {
			var record struct {
				Dynamodb struct {
					SequenceNumber string
					Keys           map[string]map[string]string
				} `json:"dynamodb"`
			}
			must(t, json.Unmarshal(text, &record))
			all = append(all, realRecord{record.Dynamodb.SequenceNumber, record.Dynamodb.Keys["id"]["S"], text})
		}
		if len(out.Records) == 0 {
			break
		}
		next = out.NextShardIterator
	}
	return all
}

// ask calls DynamoDB Local, which looks at who asks and not at the signature.
func (f *shardFront) ask(t *testing.T, r *http.Request, call string, in, out any) {
	body, err := json.Marshal(in)
	must(t, err)
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, f.base, bytes.NewReader(body))
	must(t, err)
	request.Header = r.Header.Clone()
	request.Header.Set("X-Amz-Target", "DynamoDBStreams_20120810."+call)
	request.Header.Del("Content-Length")
	response, err := f.client.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", call, text)
	}
	must(t, json.Unmarshal(text, out))
}
