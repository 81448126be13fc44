"""Which addresses a picture may be fetched from."""

import pytest

from inference.images.addresses import is_public

CLOSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.1.2.3 168.63.129.16
169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:a9fe:a9fe ::ffff:0:127.0.0.1
64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::10.0.0.1 64:ff9b:1::1 64:ff9b:1::8.8.8.8
100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:db8::1
2002:7f00:1:: 2002:a9fe:a9fe::1 2002:0808:0808::1 3fff::1 4000::1 5f00::1
fc00::1 fd00:ec2::254 fd12:3456::1 fe80::1 fe80::1%eth0 2a00:1450::1%eth0 fec0::1 ff02::1 ff0e::1
"""
OPEN = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 168.63.129.17
169.253.255.255 169.255.0.1 172.15.255.255 172.32.0.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.0.0.1
2a00:1450:4001:80b::200e 2606:4700:4700::1111 2001:4860:4860::8888 2003::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
"""


@pytest.mark.parametrize("address", CLOSED.split())
def test_our_own_network_is_closed(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", OPEN.split())
def test_the_public_internet_is_open(address):
    assert is_public(address)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "2130706433", "1.1.1.1 ", "1.1.1.1/8"])
def test_what_is_no_address_is_closed(text):
    assert not is_public(text)
