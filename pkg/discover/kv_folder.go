package discover

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A key is a file whose path is the key's, with these exceptions. In each part, % and what some file systems do not
// take (control characters, \ : * ? " < > | and a dot at the beginning) are written as % and two hexadecimal digits.
// A part that is empty is the file or folder %empty. A key that is also the folder of others has its value in the
// file %self inside that folder.
const (
	emptyPart = "%empty"
	selfPart  = "%self"
)

// KeyFiles returns for each of the keys the path of its file, with slashes, relative to the folder.
func KeyFiles(keys []string) map[string]string {
	folders := map[string]bool{}
	for _, key := range keys {
		for i, c := range key {
			if c == '/' {
				folders[key[:i]] = true
			}
		}
	}
	files := make(map[string]string, len(keys))
	for _, key := range keys {
		files[key] = keyFile(key)
		if folders[key] {
			files[key] += "/" + selfPart
		}
	}
	return files
}

func keyFile(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = escapePart(part)
	}
	return strings.Join(parts, "/")
}

func escapePart(part string) string {
	if part == "" {
		return emptyPart
	}
	var b strings.Builder
	for i, r := range part {
		_, size := utf8.DecodeRuneInString(part[i:])
		if r < ' ' || r == 0x7f || (r == utf8.RuneError && size == 1) || strings.ContainsRune(`%\:*?"<>|`, r) || (r == '.' && i == 0) {
			fmt.Fprintf(&b, "%%%02X", part[i])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// FileKey returns the key that a file stands for, by its path with slashes, relative to the folder. It fails with a
// *KeyError when a % is followed by neither two hexadecimal digits nor one of the words above.
func FileKey(path string) (string, error) {
	folder, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		folder, name = path[:i], path[i+1:]
	}
	if name == selfPart && folder != "" {
		path = folder
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		key, ok := unescapePart(part)
		if !ok {
			return "", &KeyError{Key: path, Reason: "is of a file in whose name % is not followed by two hexadecimal digits; write % as %25"}
		}
		parts[i] = key
	}
	return strings.Join(parts, "/"), nil
}

func unescapePart(part string) (string, bool) {
	if part == emptyPart {
		return "", true
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(part, "%")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		if len(after) < 2 {
			return "", false
		}
		c, err := strconv.ParseUint(after[:2], 16, 8)
		if err != nil || c == '/' {
			return "", false
		}
		b.WriteByte(byte(c))
		part = after[2:]
	}
}

// ReadKeys reads a folder of files as the keys under prefix, which is empty or ends with a slash, unsorted. Files and
// folders whose names begin with a dot are left out. Links to files inside the folder are followed; a link that leads
// out of it or to a folder, and what is no regular file, is an error, as is a file greater than MaxValue.
func ReadKeys(dir, prefix string) ([]Entry, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read the folder of keys: %w", err)
	}
	defer func() { _ = root.Close() }() // it was only read from
	var entries []Entry
	from := map[string]string{} // the path that each key came from
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || path == ".":
			return err
		case strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), "."), d.IsDir():
			return nil
		}
		entry, err := readKey(root, path, prefix)
		if other := from[entry.Key]; err == nil && other != "" {
			err = &KeyError{Key: entry.Key, Reason: fmt.Sprintf("is of two files, %s and %s", other, path)}
		}
		from[entry.Key] = path
		entries = append(entries, entry)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the folder of keys %s: %w", dir, err)
	}
	return entries, nil
}

var (
	errNotRegular = errors.New("it is no regular file")
	errLinkOut    = errors.New("the link leads out of the folder, or nowhere; it is not followed")
	errLinkFolder = errors.New("the link leads to a folder; it is not followed")
)

func readKey(root *os.Root, path, prefix string) (Entry, error) {
	key, err := FileKey(path)
	if err != nil {
		return Entry{}, err
	}
	value, err := readValue(root, filepath.FromSlash(path))
	return Entry{Key: prefix + key, Value: value}, err
}

func readValue(root *os.Root, path string) ([]byte, error) {
	if err := isFile(root, path); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	value, err := io.ReadAll(io.LimitReader(file, MaxValue+1))
	if err == nil && len(value) > MaxValue {
		size := int64(len(value))
		if info, err := file.Stat(); err == nil {
			size = info.Size()
		}
		return nil, &TooLargeError{Name: path, Size: size}
	}
	return value, err
}

// isFile looks before a file is opened: opening a pipe would wait for who writes it.
func isFile(root *os.Root, path string) error {
	own, err := root.Lstat(path)
	if err != nil {
		return err
	}
	link := own.Mode()&fs.ModeSymlink != 0
	target, err := root.Stat(path)
	switch {
	case err != nil && link:
		return errLinkOut
	case err != nil:
		return err
	case target.IsDir():
		return errLinkFolder
	case !target.Mode().IsRegular():
		return errNotRegular
	}
	return nil
}
