"""Ways to write an address that must not be called, and what the fake name service knows."""

PUBLIC = "93.184.215.14"

LOOPBACK_FORMS = [
    "127.0.0.1", "127.1", "127.0.1", "127.0.0.2", "127.255.255.254", "127.127.127.127", "0.0.0.0", "0", "00",
    "2130706433", "017700000001", "0x7f000001", "0x7F000001", "0x7f.1", "0x7f.0.0.1", "0177.0.0.1", "0177.0.1",
    "0177.1", "127.0.0.01", "127.00.00.01", "0127.0.0.1", "127.0x0.0.1", "127.0.0.0x1", "00000177.0.0.1",
    "127.0.0.1.", "127.1.", "2130706433.", "localhost", "LOCALHOST", "LocalHost.", "localhost.", "a.localhost",
    "localhost.localdomain", "printer.local", "db.internal", "metadata.google.internal", "host.docker.internal",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[0::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[::7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2002:7f00:0001::1]", "[::ffff:0:127.0.0.1]", "[::ffff:0.0.0.0]",
    "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00::1]", "[ff02::1]", "[100::1]", "[2001::1]", "[2001:db8::1]",
    "[3fff::1]", "[5f00::1]", "[::ffff:10.0.0.1]", "[64:ff9b::10.0.0.1]", "[2002:a00:1::]",
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "0xa9fea9fe", "2852039166",
    "100.64.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "private.example.com", "six.example.com", "mixed.example.com",
    "mapped.example.com", "metadata", "127.0.0.1.example.com", "１２７.0.0.1", "127。0。0。1", "ⓛocalhost",
    "%31%32%37.0.0.1", "127.0.0.1%00.example.com", "127.0.0.256", "1.2.3.4.5", "0x", "example.com..", ".example.com",
]  # fmt: skip
NAMES = {
    "private.example.com": ["127.0.0.1"],
    "six.example.com": ["::1"],
    "mixed.example.com": [PUBLIC, "127.0.0.1"],
    "mapped.example.com": ["::ffff:127.0.0.1"],
    "metadata": ["169.254.169.254"],
    "127.0.0.1.example.com": ["127.0.0.1"],
    "public.example.com": [PUBLIC],
}
WHOLE_URLS = [
    "http://user@127.0.0.1:{port}/", "http://user:pass@public.example.com:{port}/", "http://@127.0.0.1:{port}/",
    "http://public.example.com\\@127.0.0.1:{port}/", "http://public.example.com:80@127.0.0.1:{port}/",
    "http://public.example.com#@127.0.0.1:{port}/@", "//127.0.0.1:{port}/", "127.0.0.1:{port}", "/etc/passwd",
    "file:///etc/passwd", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_x", "ws://127.0.0.1:{port}/",
    "unix:///tmp/socket", "http:///", "http://", "", "javascript:alert(1)", "http:127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\r\nX: y/", "http://127.0.0.1\t:{port}/", " http://127.0.0.1:{port}/",
    "http://[::1:{port}/", "http://[127.0.0.1]:{port}/", "http://127.0.0.1:99999/", "http://[::1%25lo]:{port}/",
]  # fmt: skip
