"""What is asked of S3, as it is paid for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class S3Requests:
    """`puts` are PUT, COPY and LIST, `gets` GET and HEAD."""

    puts: int
    gets: int

    def __add__(self, other: "S3Requests") -> "S3Requests":
        return S3Requests(self.puts + other.puts, self.gets + other.gets)
