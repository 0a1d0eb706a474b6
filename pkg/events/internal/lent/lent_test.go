package lent_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/events/internal/lent"
)

// link is a connection of a client, and the server at its other end.
type link struct {
	client, server net.Conn
}

func dial(t testing.TB, m *lent.Memory) link {
	t.Helper()
	client, server := net.Pipe()
	c, err := m.Dial(func(context.Context, string, string) (net.Conn, error) { return client, nil })(t.Context(), "tcp", "broker:9092")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = server.Close()
	})
	return link{client: c, server: server}
}

// ask sends a request, as far as anybody looks at it.
func (l link) ask(t rapid.TB, key kmsg.Key, version int16, correlation int32) {
	request := binary.BigEndian.AppendUint32(nil, 8)
	request = binary.BigEndian.AppendUint16(request, uint16(key))
	request = binary.BigEndian.AppendUint16(request, uint16(version))
	request = binary.BigEndian.AppendUint32(request, uint32(correlation))
	done := make(chan error, 1)
	go func() {
		got := make([]byte, len(request))
		_, err := io.ReadFull(l.server, got)
		if err == nil && !bytes.Equal(got, request) {
			err = errors.New("another request came")
		}
		done <- err
	}()
	if _, err := l.client.Write(request); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// answer sends bytes and returns what the client reads of them, frame by frame.
func (l link) answer(t rapid.TB, sent []byte, frames int) [][]byte {
	done := make(chan error, 1)
	go func() {
		_, err := l.server.Write(sent)
		done <- err
	}()
	var got [][]byte
	for range frames {
		var size [4]byte
		if _, err := io.ReadFull(l.client, size[:]); err != nil {
			t.Fatal(err)
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(l.client, frame); err != nil {
			t.Fatal(err)
		}
		got = append(got, frame)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return got
}

// fetched is an answer of one partition.
func fetched(version int16, records []byte) *kmsg.FetchResponse {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version, resp.ThrottleMillis = version, 7
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic = "dev.auth-service.user-registered.v1"
	if version >= 13 {
		topic.Topic, topic.TopicID = "", [16]byte{1, 2, 3}
	}
	partition := kmsg.NewFetchResponseTopicPartition()
	partition.Partition, partition.HighWatermark, partition.RecordBatches = 3, 99, records
	topic.Partitions = append(topic.Partitions, partition)
	resp.Topics = append(resp.Topics, topic)
	return resp
}

// frame is a message as it is sent, with a tag in its header or without.
func frame(correlation int32, tagged bool, body []byte) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(correlation))
	if head = append(head, 0); tagged {
		head = append(head[:4], 1, 9, 1, 0xff)
	}
	framed := binary.BigEndian.AppendUint32(nil, uint32(len(head)+len(body)))
	return append(append(framed, head...), body...)
}

// parse reads an answer to a fetch request as the client does.
func parse(t rapid.TB, version int16, frame []byte) *kmsg.FetchResponse {
	body := frame[5:]
	if frame[4] != 0 {
		body = frame[8:]
	}
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = version
	if err := resp.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	return resp
}

// Whatever a broker answers, the client has it: itself, or what it refers to.
func TestEveryAnswerArrives(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		memory := lent.NewMemory()
		l := dial(t, memory)
		var sent []byte
		var want []func(got []byte)
		for i := range rapid.IntRange(1, 6).Draw(r, "answers") {
			correlation := int32(i)
			records := bytes.Repeat([]byte{byte(i)}, rapid.SampledFrom([]int{0, 100, 32<<10 - 60, 32 << 10, 1 << 20}).Draw(r, "size"))
			tagged := rapid.Bool().Draw(r, "tagged")
			if rapid.Bool().Draw(r, "other") {
				l.ask(r, kmsg.Metadata, 12, correlation)
				framed := frame(correlation, tagged, records)
				sent = append(sent, framed...)
				want = append(want, func(got []byte) {
					if !bytes.Equal(got, framed[4:]) {
						r.Fatalf("answer %d is not what was sent", correlation)
					}
				})
				continue
			}
			version := int16(rapid.IntRange(12, 17).Draw(r, "version"))
			answer := fetched(version, records)
			l.ask(r, kmsg.Fetch, version, correlation)
			sent = append(sent, frame(correlation, tagged, answer.AppendTo(nil))...)
			want = append(want, func(got []byte) {
				if c := int32(binary.BigEndian.Uint32(got)); c != correlation {
					r.Fatalf("got correlation id %d, want %d", c, correlation)
				}
				if whole := len(records) <= 100 || tagged; !whole && len(got) > 100 {
					r.Fatalf("the client had to read %d bytes", len(got))
				}
				claimed, loan := memory.Claim(parse(r, version, got))
				claimed.UnknownTags, answer.UnknownTags = kmsg.Tags{}, kmsg.Tags{}
				if !reflect.DeepEqual(claimed.AppendTo(nil), answer.AppendTo(nil)) {
					r.Fatalf("answer %d is not what was sent", correlation)
				}
				loan.Return()
			})
		}
		for i, got := range l.answer(r, sent, len(want)) {
			want[i](got)
		}
	})
}

// A block is lent again when the last of its users has returned it, and not before.
func TestBlocksAreUsedAgain(t *testing.T) {
	memory := lent.NewMemory()
	l := dial(t, memory)
	correlation := int32(0)
	fetch := func(fill byte) ([]byte, *lent.Loan) {
		correlation++
		l.ask(t, kmsg.Fetch, 13, correlation)
		got := l.answer(t, frame(correlation, false, fetched(13, bytes.Repeat([]byte{fill}, 64<<10)).AppendTo(nil)), 1)
		claimed, loan := memory.Claim(parse(t, 13, got[0]))
		return claimed.Topics[0].Partitions[0].RecordBatches, loan
	}
	first, loan := fetch('a')
	loan.Share()
	loan.Return()
	second, other := fetch('b')
	if &first[0] == &second[0] || first[0] != 'a' {
		t.Fatal("a block that is still read was lent")
	}
	loan.Return()
	third, _ := fetch('c')
	if &third[0] != &first[0] {
		t.Error("a block that was returned is not lent")
	}
	other.Return()
	if fourth, _ := fetch('d'); &fourth[0] != &second[0] {
		t.Error("the other one is not lent")
	}
}

// An answer that nobody claims goes with its connection.
func TestAClosedConnectionIsForgotten(t *testing.T) {
	memory := lent.NewMemory()
	l := dial(t, memory)
	l.ask(t, kmsg.Fetch, 13, 1)
	got := l.answer(t, frame(1, false, fetched(13, make([]byte, 64<<10)).AppendTo(nil)), 1)
	short := parse(t, 13, got[0])
	if short.ThrottleMillis != 7 {
		t.Errorf("the client is to wait for %d ms", short.ThrottleMillis)
	}
	if err := l.client.Close(); err != nil {
		t.Fatal(err)
	}
	if answer, loan := memory.Claim(short); answer != short || loan != nil {
		t.Error("it is there still")
	}
	if _, err := l.client.Read(make([]byte, 1)); err == nil {
		t.Error("it can be read from")
	}
}

// Answers to requests that were given up do not add up while a connection lasts.
func TestAnswersThatNobodyClaimsAreForgotten(t *testing.T) {
	memory := lent.NewMemory()
	l := dial(t, memory)
	const n = 200
	var given []*kmsg.FetchResponse
	for i := range int32(n) {
		l.ask(t, kmsg.Fetch, 13, i)
		got := l.answer(t, frame(i, false, fetched(13, make([]byte, 32<<10)).AppendTo(nil)), 1)
		given = append(given, parse(t, 13, got[0]))
	}
	held := 0
	for _, answer := range given {
		if _, loan := memory.Claim(answer); loan != nil {
			held++
		}
	}
	if held == 0 || held > n/2 {
		t.Errorf("%d of %d answers are held", held, n)
	}
}

// A broker that gives its answer a session, which nobody asked for, is not taken to
// refer to the answer of another.
func TestASessionRefersToNothing(t *testing.T) {
	memory := lent.NewMemory()
	l := dial(t, memory)
	l.ask(t, kmsg.Fetch, 13, 1)
	lentOne := parse(t, 13, l.answer(t, frame(1, false, fetched(13, make([]byte, 64<<10)).AppendTo(nil)), 1)[0])
	own := fetched(13, []byte("own"))
	own.SessionID = lentOne.SessionID
	l.ask(t, kmsg.Fetch, 13, 2)
	got, loan := memory.Claim(parse(t, 13, l.answer(t, frame(2, false, own.AppendTo(nil)), 1)[0]))
	if records := string(got.Topics[0].Partitions[0].RecordBatches); loan != nil || records != "own" {
		t.Errorf("got %d bytes of records", len(records))
	}
}

// What a server says that knows no Kafka reaches the client byte by byte.
func TestWhatIsNoAnswerPasses(t *testing.T) {
	for name, sent := range map[string]string{
		"HTTP":      "HTTP/1.1 400 Bad Request\r\n\r\n",
		"TLS alert": "\x15\x03\x03\x00\x02\x02\x28",
		"negative":  "\xff\xff\xff\xff",
		"cut":       "\x00\x00",
		"nothing":   "",
		"empty":     "\x00\x00\x00\x00",
	} {
		l := dial(t, lent.NewMemory())
		go func() {
			_, _ = io.WriteString(l.server, sent)
			_ = l.server.Close()
		}()
		if got, err := io.ReadAll(l.client); string(got) != sent || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// FuzzAnswers sends anything as the answer to a fetch request: the client reads
// the same bytes, or what refers to an answer that they are.
func FuzzAnswers(f *testing.F) {
	f.Add(fetched(12, []byte("records")).AppendTo(nil), 64<<10)
	f.Add([]byte("\x00"), 32<<10)
	f.Fuzz(func(t *testing.T, body []byte, padding int) {
		const version = 13
		memory := lent.NewMemory()
		l := dial(t, memory)
		l.ask(t, kmsg.Fetch, version, 1)
		body = append(body, make([]byte, max(0, min(padding, 1<<16)))...)
		sent := frame(1, false, body)
		got := l.answer(t, sent, 1)[0]
		if bytes.Equal(got, sent[4:]) {
			return
		}
		claimed, loan := memory.Claim(parse(t, version, got))
		want := kmsg.NewPtrFetchResponse()
		want.Version = version
		if err := want.ReadFrom(body); err != nil || loan == nil || !bytes.Equal(claimed.AppendTo(nil), want.AppendTo(nil)) {
			t.Errorf("%v: the client is given another answer", err)
		}
	})
}
