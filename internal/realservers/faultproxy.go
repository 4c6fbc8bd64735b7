package realservers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Faults says which shares of the requests, 0 to 1 each and 1 in sum, a proxy of [Faulty] spoils, and how. A request meets
// one fault at most.
type Faults struct {
	Seed uint64 // 0 chooses one; the test's log names it

	Reset     float64 // the connection is reset, the server never sees the request
	LoseReply float64 // the server acts, the connection is reset instead of an answer
	Cut       float64 // the server acts, its answer ends in the middle of the body
	Status500 float64 // 500 or 503; for half of them the server acts first
	Throttle  float64 // the service's word for throttling, of two for DynamoDB; the server never sees the request
	Hang      float64 // no answer until the client goes away; for half of them the server acts first

	Only func(*http.Request) bool            // narrows the faults to some requests, nil to none; it leaves the body alone
	Hit  func(fault string, r *http.Request) // is told of every fault by its field's name, from many goroutines; may be nil
}

// Faulty starts a proxy in front of the server at the base URL and returns its own base URL. It ends with the test. What no
// fault meets passes unchanged; the client's signatures stay valid.
func Faulty(t testing.TB, base string, f Faults) string {
	t.Helper()
	target, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	if sum := f.Reset + f.LoseReply + f.Cut + f.Status500 + f.Throttle + f.Hang; sum > 1 {
		t.Fatalf("the shares of the faults add up to %g, above 1", sum)
	}
	if f.Seed == 0 {
		f.Seed = rand.Uint64()
	}
	t.Logf("faults: seed %d", f.Seed)
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		DisableCompression:    true, // an answer passes as the server wrote it
		MaxIdleConnsPerHost:   idleConnections,
		ExpectContinueTimeout: 10 * time.Second,
	}
	p := &faultProxy{faults: f, random: rand.New(rand.NewPCG(f.Seed, 0)), closed: make(chan struct{})}
	p.forward = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: p.spoil,
		ErrorHandler:   p.unanswered,
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	server := httptest.NewUnstartedServer(p)
	server.Config.ErrorLog = p.forward.ErrorLog
	server.Start()
	t.Cleanup(func() {
		close(p.closed)
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL
}

type faultProxy struct {
	faults  Faults
	forward *httputil.ReverseProxy
	closed  chan struct{} // the test is over: whatever hangs ends

	mu     sync.Mutex
	random *rand.Rand
}

// fault is what one request meets.
type fault struct {
	name  string  // of its share in Faults; "" is none
	acts  bool    // the server gets to see the request
	chose float64 // 0 to 1: where to cut, which status, which word
	flush func() error
}

type faultKey struct{}

// errSpoiled ends a forwarded request whose answer the client shall not see.
var errSpoiled = errors.New("the answer is withheld")

func (p *faultProxy) draw(r *http.Request) fault {
	if p.faults.Only != nil && !p.faults.Only(r) {
		return fault{acts: true}
	}
	p.mu.Lock()
	at, acts, chose := p.random.Float64(), p.random.IntN(2) == 0, p.random.Float64()
	p.mu.Unlock()
	f := p.faults
	for _, kind := range []struct {
		share float64
		fault fault
	}{
		{f.Reset, fault{name: "Reset"}},
		{f.LoseReply, fault{name: "LoseReply", acts: true}},
		{f.Cut, fault{name: "Cut", acts: true, chose: chose}},
		{f.Status500, fault{name: "Status500", acts: acts, chose: chose}},
		{f.Throttle, fault{name: "Throttle", chose: chose}},
		{f.Hang, fault{name: "Hang", acts: acts}},
	} {
		if at -= kind.share; at < 0 {
			return kind.fault
		}
	}
	return fault{acts: true}
}

func (p *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	met := p.draw(r)
	if met.name != "" && p.faults.Hit != nil {
		p.faults.Hit(met.name, r)
	}
	met.flush = http.NewResponseController(w).Flush
	r = r.WithContext(context.WithValue(r.Context(), faultKey{}, met))
	if met.acts {
		p.forward.ServeHTTP(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body) // until it is read, nobody notices that the client goes away
	p.answer(w, r, met)
}

// spoil looks at an answer of the server on its way to the client.
func (p *faultProxy) spoil(response *http.Response) error {
	met, _ := response.Request.Context().Value(faultKey{}).(fault)
	switch {
	case met.name == "":
		return nil
	case met.name == "Cut" && response.ContentLength > 0 && response.Request.Method != http.MethodHead:
		keep := int64(met.chose * float64(response.ContentLength))
		response.Body = &cutBody{Reader: io.LimitReader(response.Body, keep), Closer: response.Body, flush: met.flush}
		return nil
	default:
		_, _ = io.Copy(io.Discard, response.Body)
		return errSpoiled
	}
}

// cutBody breaks off where its reader ends, when the client has got everything before it.
type cutBody struct {
	io.Reader
	io.Closer
	flush func() error
}

func (b *cutBody) Read(into []byte) (int, error) {
	n, err := b.Reader.Read(into)
	if errors.Is(err, io.EOF) {
		err = errors.Join(io.ErrUnexpectedEOF, b.flush())
	}
	return n, err
}

// unanswered is where a forwarded request ends that gets no answer of the server: by a fault, or because there was none.
func (p *faultProxy) unanswered(w http.ResponseWriter, r *http.Request, err error) {
	met, _ := r.Context().Value(faultKey{}).(fault)
	if !errors.Is(err, errSpoiled) {
		met = fault{name: "Reset"} // what the client would have seen without the proxy
	}
	p.answer(w, r, met)
}

// answer is what the client gets instead of the server's answer.
func (p *faultProxy) answer(w http.ResponseWriter, r *http.Request, met fault) {
	switch met.name {
	case "Hang":
		select {
		case <-r.Context().Done():
		case <-p.closed:
		}
		panic(http.ErrAbortHandler)
	case "Status500":
		if met.chose < 0.5 {
			refuse(w, r, http.StatusInternalServerError, "InternalFailure", "InternalError")
		} else {
			refuse(w, r, http.StatusServiceUnavailable, "ServiceUnavailable", "ServiceUnavailable")
		}
	case "Throttle":
		code := "ThrottlingException"
		if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_") && met.chose < 0.5 {
			code = "ProvisionedThroughputExceededException"
		}
		status := http.StatusBadRequest
		if r.Header.Get("X-Amz-Target") == "" {
			status = http.StatusServiceUnavailable
		}
		refuse(w, r, status, code, "SlowDown")
	default:
		reset(w)
	}
}

// refuse answers with an error as the services write it: those that are called by X-Amz-Target in JSON, S3 in XML.
func refuse(w http.ResponseWriter, r *http.Request, status int, inJSON, inXML string) {
	body, kind := fmt.Sprintf(`{"__type":%q,"message":"a fault of the test"}`, inJSON), "application/x-amz-json-1.0"
	if r.Header.Get("X-Amz-Target") == "" {
		body, kind = "<Error><Code>"+inXML+"</Code><Message>a fault of the test</Message></Error>", "application/xml"
	}
	if r.Method == http.MethodHead {
		body = ""
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = io.Copy(w, strings.NewReader(body))
}

// reset ends the connection as a broken network does.
func reset(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // closes it
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = connection.Close()
}
