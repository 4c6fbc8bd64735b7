package app

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/seed-56345083/reprise/internal/entries"
	"github.com/seed-56345083/reprise/internal/entries/dynamoentries"
	"github.com/seed-56345083/reprise/internal/stats"
)

// The event in testdata has ten records as the stream hands them out: the seventh is no entry, the fifth one's line does
// not parse, and the third one's is no UTF-8.
const (
	badRecord = "4421584500000000017450439097"
	lambdaCSV = "query,queries,rtt\na.example,3,1.875\nb.example,2,1.25\nc.example,2,1.875\ncaf\ufffd.example,1,0.375\n"
)

func streamEvent(t *testing.T) (text []byte, list []entries.Entry) {
	t.Helper()
	text, err := os.ReadFile("testdata/stream_event.json")
	if err != nil {
		t.Fatal(err)
	}
	var event events.DynamoDBEvent
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	for _, r := range event.Records {
		if e, ok, err := dynamoentries.FromLambda(r); ok && err == nil {
			list = append(list, e)
		}
	}
	if len(event.Records) != 10 || len(list) != 9 {
		t.Fatalf("%d records, %d entries", len(event.Records), len(list))
	}
	return text, list
}

// invoke calls the handler as Lambda's runtime does, and returns the records that are to come again.
func invoke(t *testing.T, a *App, event []byte) (again []string) {
	t.Helper()
	out, err := lambda.NewHandler(a.function().invoke).Invoke(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	var response struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	d := json.NewDecoder(bytes.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&response); err != nil || response.BatchItemFailures == nil {
		t.Fatalf("%s: %v", out, err)
	}
	for _, f := range response.BatchItemFailures {
		again = append(again, f.ItemIdentifier)
	}
	return again
}

func queries(t *testing.T, a *App) string {
	t.Helper()
	rows, err := a.driver.Read(t.Context(), "dns", "queries", 0)
	if err != nil {
		t.Fatal(err)
	}
	var csv strings.Builder
	if err := stats.WriteCSV(&csv, rows, "queries"); err != nil {
		t.Fatal(err)
	}
	return csv.String()
}

// checkLambda hands the event out twice: nine entries are counted, once, and one record is to come again.
func checkLambda(t *testing.T, a *App) {
	t.Helper()
	if err := a.openProtocols(t.Context()); err != nil {
		t.Fatal(err)
	}
	event, list := streamEvent(t)
	if there, err := a.entries.Put(t.Context(), list); err != nil || there != 0 {
		t.Fatalf("%d were there, %v", there, err)
	}
	for range 2 {
		if again := invoke(t, a, event); !slices.Equal(again, []string{badRecord}) {
			t.Errorf("%q are to come again", again)
		}
		if got := queries(t, a); got != lambdaCSV {
			t.Errorf("the rows are\n%s\nwant\n%s", got, lambdaCSV)
		}
	}
	ids := make([]string, len(list))
	for i, e := range list {
		ids[i] = e.ID
	}
	read, err := a.entries.Read(t.Context(), ids)
	if err != nil || len(read) != len(ids) {
		t.Fatalf("%d entries, %v", len(read), err)
	}
	for _, e := range read {
		if !e.Processed || !slices.Equal(e.Gens, []int64{1}) || (e.Error != "") != (e.ID == ids[4]) {
			t.Errorf("the entry is %+v", e)
		}
	}
}

func TestLambda(t *testing.T) {
	t.Parallel()
	checkLambda(t, localApp(t, "live: {slots: 2}"))
}

// TestLambdaPassesOver: what is no insertion of an entry is nothing to count, and what waits for something else than a
// repetition is not to come again.
func TestLambdaPassesOver(t *testing.T) {
	t.Parallel()
	a := localApp(t, "live: {}")
	if err := a.openProtocols(t.Context()); err != nil {
		t.Fatal(err)
	}
	event := []byte(`{"Records":[
		{"eventName":"MODIFY","dynamodb":{"SequenceNumber":"1","NewImage":{"id":{"S":"1"},"PROCESSED":{"BOOL":true}}}},
		{"eventName":"REMOVE","dynamodb":{"SequenceNumber":"2","Keys":{"id":{"S":"1"}}},"userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}},
		{"eventName":"INSERT","dynamodb":{"SequenceNumber":"3","NewImage":{"id":{"S":"batch#01KJM5X6N00000000000000001"},"epoch":{"N":"1"}}}},
		{"eventName":"INSERT","dynamodb":{"SequenceNumber":"4","NewImage":{"id":{"S":"4"},"protocol":{"S":"smtp"},"ts":{"S":"2026-03-01T10:00:00Z"},"line":{"S":"x"}}}},
		{"eventName":"INSERT","dynamodb":{"SequenceNumber":"5","NewImage":{"id":{"S":"5"},"protocol":{"S":"dns"},"ts":{"S":"2026-03-01T10:00:00Z"},"line":{"S":"{\"ts\":\"2026-03-01T10:00:00Z\"}"}}}}
	]}`)
	if again := invoke(t, a, event); len(again) > 0 { // the last one was removed before this event came
		t.Errorf("%q are to come again", again)
	}
	if got := queries(t, a); got != "query,queries,rtt\n" {
		t.Errorf("the rows are\n%s", got)
	}
	if again := invoke(t, a, []byte(`{"Records":[]}`)); len(again) > 0 {
		t.Errorf("%q are to come again", again)
	}
}
