package archive_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/archive"
)

const (
	first  = "dev.auth-service.user-registered.v1"
	second = "dev.auth-service.user-locked.v1"
)

func newClient(t *testing.T, partitions int32) *events.Client {
	t.Helper()
	server, err := kafka.Start(kafka.Options{Topics: []kafka.Topic{{Name: first, Partitions: partitions}, {Name: second, Partitions: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client, err := events.New(events.Config{Brokers: server.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// fill writes records of all kinds to both topics.
func fill(t *testing.T, client *events.Client, n int) {
	t.Helper()
	raw, err := client.Open(t.Context(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	var records []*kgo.Record
	for i := range n {
		r := &kgo.Record{Topic: first, Partition: int32(i % 3), Key: fmt.Appendf(nil, "k-%d", i%5), Value: bytes.Repeat([]byte{byte(i), 0xff}, i%500),
			Timestamp: time.Now().Add(-time.Duration(i) * time.Second).Truncate(time.Millisecond)}
		switch i % 5 {
		case 0:
			r.Key, r.Value = nil, nil
		case 1:
			r.Key, r.Value = []byte{}, []byte{}
		case 2:
			r.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte{0, 1}}, {Key: "a"}, {Key: "", Value: []byte{}}}
		case 3:
			r.Topic, r.Partition = second, 0
		}
		records = append(records, r)
	}
	if err := raw.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// spell tells all of a topic's records that an archive keeps but for offsets,
// partition by partition.
func spell(t *testing.T, client *events.Client, topic string) []string {
	t.Helper()
	var list []string
	end := events.End()
	_, err := client.Scan(t.Context(), events.ScanOptions{Topic: topic, Until: &end}, func(r *kgo.Record) error {
		text := fmt.Sprintf("%03d %d %t %x %t %x", r.Partition, r.Timestamp.UnixMilli(), r.Key == nil, r.Key, r.Value == nil, r.Value)
		for _, h := range r.Headers {
			text += fmt.Sprintf(" %q %t %x", h.Key, h.Value == nil, h.Value)
		}
		list = append(list, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(list, func(a, b string) int { return bytes.Compare([]byte(a[:3]), []byte(b[:3])) })
	return list
}

func both() archive.ExportOptions { return archive.ExportOptions{Topics: []string{first, second}} }

func importAll(t *testing.T, client *events.Client, file []byte, o archive.ImportOptions) (archive.ImportResult, error) {
	t.Helper()
	r, err := archive.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return archive.Import(t.Context(), client, r, o)
}

func TestExportAndImport(t *testing.T) {
	from, to := newClient(t, 3), newClient(t, 3)
	fill(t, from, 3000)
	var file bytes.Buffer
	if _, end, err := archive.Export(t.Context(), from, &file, both()); err != nil || end.Records != 3000 {
		t.Fatalf("%+v, %v", end, err)
	}
	for _, want := range []int64{3000, 0} { // nothing is imported twice
		if got, err := importAll(t, to, file.Bytes(), archive.ImportOptions{}); err != nil || got.Records != want {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	for _, topic := range []string{first, second} {
		if got, want := spell(t, to, topic), spell(t, from, topic); !slices.Equal(got, want) {
			t.Errorf("%s is not the same: %d and %d records", topic, len(got), len(want))
		}
	}
	if got, err := importAll(t, to, file.Bytes(), archive.ImportOptions{Restart: true}); err != nil || got.Records != 3000 {
		t.Fatalf("restarted: %+v, %v", got, err)
	}
}

// TestAnExportGoesOnFromAnyCut: whatever of the file a killed export has left,
// the next makes it whole, with what the topic held when it began.
func TestAnExportGoesOnFromAnyCut(t *testing.T) {
	client := newClient(t, 3)
	fill(t, client, 3000)
	var whole bytes.Buffer
	h, want, err := archive.Export(t.Context(), client, &whole, both())
	if err != nil {
		t.Fatal(err)
	}
	fill(t, client, 10) // is not in it
	headerEnds := len("suokarc1") + 9 + int(binary.LittleEndian.Uint32(whole.Bytes()[len("suokarc1")+1:]))
	for _, cut := range []int{headerEnds, headerEnds + 5, whole.Len() / 2, whole.Len() - 1, whole.Len()} {
		path := filepath.Join(t.TempDir(), "archive")
		if err := os.WriteFile(path, whole.Bytes()[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		resumed, end, err := archive.Resume(t.Context(), client, file, both())
		if err != nil || end.Records != want.Records || resumed.ID != h.ID {
			t.Errorf("cut at %d: %+v, %v", cut, end, err)
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, end, err := archive.Verify(file); err != nil || end.Records != want.Records {
			t.Errorf("cut at %d: verify: %+v, %v", cut, end, err)
		}
		_ = file.Close()
	}
}

func TestAnExportIsGoneOnWithByItsOwnOnly(t *testing.T) {
	client := newClient(t, 3)
	fill(t, client, 30)
	path := filepath.Join(t.TempDir(), "archive")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, _, err := archive.Export(t.Context(), client, file, both()); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]archive.ExportOptions{
		"one topic": {Topics: []string{first}}, "another order": {Topics: []string{second, first}}, "another selection": {Topics: []string{first, second}, Selection: "x"},
	} {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, _, err := archive.Resume(t.Context(), client, file, o); !errors.Is(err, archive.ErrOtherExport) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestABrokenArchiveIsImportedUpToThere, and goes on once it is whole.
func TestABrokenArchiveIsImportedUpToThere(t *testing.T) {
	from, to := newClient(t, 3), newClient(t, 3)
	fill(t, from, 20_000)
	var file bytes.Buffer
	if _, end, err := archive.Export(t.Context(), from, &file, both()); err != nil || end.Blocks < 3 {
		t.Fatalf("%+v, %v", end, err)
	}
	broken := bytes.Clone(file.Bytes())
	broken[len(broken)-2000] ^= 1
	var corrupt *archive.CorruptError
	part, err := importAll(t, to, broken, archive.ImportOptions{})
	if !errors.As(err, &corrupt) || part.Records == 0 || part.Blocks != corrupt.Block {
		t.Fatalf("%+v, %v", part, err)
	}
	rest, err := importAll(t, to, file.Bytes(), archive.ImportOptions{})
	if err != nil || rest.Before != part.Records || rest.Records+rest.Before != 20_000 {
		t.Fatalf("%+v, %v", rest, err)
	}
	for _, topic := range []string{first, second} {
		if got, want := spell(t, to, topic), spell(t, from, topic); !slices.Equal(got, want) {
			t.Errorf("%s is not the same", topic)
		}
	}
}

func TestImportToAnotherTopic(t *testing.T) {
	from, narrow := newClient(t, 3), newClient(t, 2)
	fill(t, from, 100)
	var file bytes.Buffer
	if _, _, err := archive.Export(t.Context(), from, &file, archive.ExportOptions{Topics: []string{second}}); err != nil {
		t.Fatal(err)
	}
	if got, err := importAll(t, narrow, file.Bytes(), archive.ImportOptions{Targets: map[string]string{second: first}}); err != nil || got.Records != 20 {
		t.Fatalf("%+v, %v", got, err)
	}
	murmur2 := kgo.StickyKeyPartitioner(nil).ForTopic(first)
	end := events.End()
	_, err := narrow.Scan(context.Background(), events.ScanOptions{Topic: first, Until: &end}, func(r *kgo.Record) error {
		if want := murmur2.Partition(r, 2); r.Key != nil && int(r.Partition) != want {
			t.Errorf("key %s is on %d, want %d", r.Key, r.Partition, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var unknown *events.UnknownTopicError
	if _, err := importAll(t, narrow, file.Bytes(), archive.ImportOptions{Targets: map[string]string{second: "dev.a.b.v1"}}); !errors.As(err, &unknown) {
		t.Errorf("an unknown target: %v", err)
	}
	if _, err := importAll(t, narrow, file.Bytes(), archive.ImportOptions{Targets: map[string]string{second: "__consumer_offsets"}}); !errors.Is(err, archive.ErrInternal) {
		t.Errorf("an internal target: %v", err)
	}
}
