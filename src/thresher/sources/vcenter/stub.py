"""pyvmomi's stub, with a faster way to read what a PropertyCollector answers."""

from http.client import HTTPException
from typing import Any

from pyVmomi.SoapAdapter import XML_ENCODING, GzipReader, SoapResponseDeserializer, SoapStubAdapter

from thresher.sources.vcenter.answers import read_answer

_LARGE = frozenset({"RetrievePropertiesEx", "ContinueRetrievePropertiesEx"})
"""The calls whose answers may hold thousands of objects."""


class Stub(SoapStubAdapter):  # type: ignore[misc] # pyvmomi's classes are untyped here
    """Sends and receives as pyvmomi does; large answers are read by :func:`read_answer`."""

    def InvokeMethod(self, mo: Any, info: Any, args: Any, outerStub: Any = None) -> Any:  # noqa: N802, N803 - pyvmomi's names
        """Call a method of a managed object. Raises what pyvmomi raises."""
        if info.wsdlName not in _LARGE:
            return super().InvokeMethod(mo, info, args, outerStub)
        connection = self.GetConnection()
        try:
            connection.request("POST", self.path, self.SerializeRequest(mo, info, args), self._headers())
            reply = connection.getresponse()
            result = self._read(reply, info.result)
            reply.read()
        except BaseException:
            # as pyvmomi does: the server may be in trouble, so no connection of the pool is used again
            connection.close()
            self.DropConnections()
            raise
        self.ReturnConnection(connection)
        if isinstance(result, Exception):
            raise result
        return result

    def _headers(self) -> dict[str, str]:
        headers = {
            "Cookie": self.cookie,
            "SOAPAction": self.versionId,
            "Content-Type": f"text/xml; charset={XML_ENCODING}",
            "Accept-Encoding": "gzip, deflate",
        }
        return {name: value for name, value in headers.items() if value}

    def _read(self, reply: Any, result: type[Any]) -> Any:
        """The result, or the fault that came in its place."""
        if reply.status not in (200, 500):
            raise HTTPException(f"{reply.status} {reply.reason}")
        encodings = {"gzip": GzipReader.GZIP, "deflate": GzipReader.DEFLATE}
        encoding = encodings.get((reply.getheader("Content-Encoding") or "").lower())
        body = reply if encoding is None else GzipReader(reply, encoding=encoding)
        if reply.status == 200:  # noqa: PLR2004 - HTTP's own number
            return read_answer(body, self, result)
        return SoapResponseDeserializer(self).Deserialize(body, result)
